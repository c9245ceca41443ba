#if canImport(Glibc)
    import Glibc
#endif

/// The opened database of the service's state: checked, or created.
///
/// It guards money, so a file that is not certainly the state of this service is refused and never replaced.
struct StateFile {
    let connection: SQLiteConnection
    let owners: StateOwners

    /// Without symbolic links.
    let path: String
    private let identity: FileIdentity

    /// In the header of the file (SQLite: Database File Format, application id): "BSst".
    static let applicationID: Int64 = 0x4253_7374

    /// The version of the tables (SQLite: `user_version`).
    static let version: Int64 = 1

    /// The largest size of the write-ahead log that is left after a checkpoint.
    private static let logBytesMax = 4 << 20

    private static let tables = """
        CREATE TABLE idempotency_keys (
            token INTEGER PRIMARY KEY AUTOINCREMENT,
            id BLOB NOT NULL UNIQUE,
            state TEXT NOT NULL CHECK (state IN ('claimed', 'sending', 'unknown', 'done', 'refused')),
            owner INTEGER NOT NULL,
            caller TEXT NOT NULL,
            operation TEXT NOT NULL,
            account TEXT NOT NULL,
            digest BLOB NOT NULL,
            recorded_at INTEGER NOT NULL,
            finished_at INTEGER,
            document BLOB,
            refusal_kind TEXT,
            refusal_code INTEGER,
            refusal_message TEXT
        ) STRICT;
        CREATE INDEX idempotency_keys_finished ON idempotency_keys (finished_at) WHERE finished_at IS NOT NULL;
        CREATE INDEX idempotency_keys_running ON idempotency_keys (owner) WHERE state IN ('claimed', 'sending');
        """

    /// Opens the file, or creates it with mode 0600. Its folder must exist. Blocks while it reads the whole file.
    ///
    /// - Throws: For a file that cannot be used, with what to do about it.
    static func open(_ file: PrivateFile, busyTimeout: Duration) throws(FileProblem) -> StateFile {
        let path = try file.followed()
        let owners = try StateOwners(path: path + "-owners")
        let opened = try owners.whileOpening { () throws(FileProblem) -> Result<StateFile, FileProblem> in
            try prepare(file, at: path)
            guard let identity = FileIdentity(at: path) else { throw file.problem(code: errno) }
            do throws(SQLiteFailure) {
                let connection = try SQLiteConnection(path: path, busyTimeout: busyTimeout)
                if let reason = try open(connection) { return .failure(file.problem(reason)) }
                return .success(
                    StateFile(
                        connection: connection, owners: owners, path: path, identity: identity))
            } catch {
                return .failure(file.problem(reason(of: error)))
            }
        }
        return try opened.get()
    }

    /// Whether the path still leads to the opened file.
    var isInPlace: Bool { FileIdentity(at: path) == identity }

    /// Checks the file, or creates it.
    private static func prepare(_ file: PrivateFile, at path: String) throws(FileProblem) {
        let log = path + "-wal"
        var status = stat()
        let hasLog = stat(SystemText.cString(of: log), &status) == 0 && status.st_size > 0
        guard stat(SystemText.cString(of: path), &status) == 0 else {
            guard errno == ENOENT else { throw file.problem(code: errno) }
            if hasLog { throw file.problem("it is missing, but its write-ahead log \(log) is not: \(restoreBoth)") }
            return try file.createDatabase(at: path)
        }
        try file.check(status)
        // SQLite takes a file without a whole header for an empty one.
        guard status.st_size == 0 || status.st_size >= 512 else { throw file.problem(foreign) }
        // SQLite would discard the log.
        if hasLog, status.st_size == 0 {
            throw file.problem("it is empty, but its write-ahead log \(log) is not: \(restoreBoth)")
        }
    }

    private static let restoreBoth = "restore both from a backup, or remove both if no key in them is needed"

    /// Checks the database, and creates its tables if it is empty.
    ///
    /// - Returns: Why it cannot be used; nil if it can.
    private static func open(_ connection: SQLiteConnection) throws(SQLiteFailure) -> String? {
        let id = try connection.value("PRAGMA application_id")
        let version = try connection.value("PRAGMA user_version")
        let isEmpty = try connection.value("SELECT count(*) FROM sqlite_schema") == .integer(0)
        let isNew = isEmpty && id == .integer(0) && version == .integer(0)
        guard isNew || id == .integer(applicationID) else { return foreign }
        guard !connection.isReadOnly else { return readOnly }
        if case .integer(let found) = version, found > Self.version {
            return
                "it was written by a newer version of the service (its tables have version \(found), and this program "
                + "knows \(Self.version)): run that version, or name another file"
        }
        // Before the mode changes: the change itself is synced.
        try connection.execute("PRAGMA synchronous = FULL")
        guard try connection.value("PRAGMA journal_mode = WAL") == .text("wal") else {
            return "its file system does not support the shared memory of SQLite's write-ahead log, as network file "
                + "systems do not: name a file on a local disk"
        }
        if isNew {
            try connection.execute(
                """
                BEGIN IMMEDIATE;
                PRAGMA application_id = \(applicationID);
                PRAGMA user_version = \(Self.version);
                \(tables)
                COMMIT;
                """)
        }
        let found = try connection.value("PRAGMA quick_check(1)")
        guard found == .text("ok") else {
            if case .text(let text) = found { return damaged(text) }
            return damaged("quick_check has no result")
        }
        try connection.execute("PRAGMA journal_size_limit = \(logBytesMax); PRAGMA trusted_schema = OFF")
        return nil
    }

    private static let foreign = "it is not a state file of this service: name another file"
    private static let readOnly =
        "it cannot be written: the service needs to write it, and to create files in its folder"

    private static func damaged(_ reason: String) -> String {
        "it is damaged (\(reason)): restore a backup, or move it away; a new file does not know which changes were sent"
    }

    private static func reason(of failure: SQLiteFailure) -> String {
        switch failure.kind {
        case .foreign: foreign
        case .damaged: damaged(failure.reason)
        case .readOnly: readOnly
        case .full: "no space left"
        case .locked: "another program has held its lock for too long"
        case .failed: "cannot be opened: \(failure.reason)"
        }
    }
}
