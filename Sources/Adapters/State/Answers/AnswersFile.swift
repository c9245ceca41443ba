#if canImport(Glibc)
    import Glibc
#endif

/// The opened SQLite file with cached answers. Its calls block.
///
/// It is a copy of memory, so a new file replaces one that cannot be used. The file with idempotency keys is never replaced.
final class AnswersFile {
    let connection: SQLiteConnection

    /// Without symbolic links.
    let path: String
    private let identity: FileIdentity

    /// In the header of the file (SQLite: Database File Format, application id): "BSan".
    static let applicationID: Int64 = 0x4253_616E

    /// The version of the tables (SQLite: `user_version`).
    static let version: Int64 = 1

    /// The largest size of the write-ahead log that is left after a checkpoint: more than a transaction adds.
    private static let logBytesMax = 8 << 20

    /// What follows the name of a database in the names of SQLite's other files.
    static let otherFiles = ["-wal", "-shm"]

    /// The columns of a page are in a table of their own, since they are changed and searched without its content.
    private static let tables = """
        CREATE TABLE pages (
            number INTEGER PRIMARY KEY,
            shelf TEXT NOT NULL,
            key_id TEXT,
            answers INTEGER NOT NULL,
            oldest INTEGER NOT NULL,
            newest INTEGER NOT NULL,
            used_at INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE contents (number INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;
        CREATE TABLE documents (
            name TEXT NOT NULL PRIMARY KEY,
            key_id TEXT,
            as_of INTEGER NOT NULL,
            content BLOB NOT NULL
        ) STRICT;
        CREATE TABLE source (digest BLOB NOT NULL) STRICT;
        """

    private init(_ connection: SQLiteConnection, path: String, identity: FileIdentity) {
        self.connection = connection
        self.path = path
        self.identity = identity
    }

    /// Opens the file, or creates it with mode 0600. Its folder must exist.
    ///
    /// - Throws: `unusable` for a file that cannot be used.
    static func open(_ file: PrivateFile, busyTimeout: Duration) throws(AnswersFailure) -> AnswersFile {
        let path: String
        var status = stat()
        do throws(FileProblem) {
            path = try file.followed()
            if stat(SystemText.cString(of: path), &status) != 0 {
                guard errno == ENOENT else { throw file.problem(code: errno) }
                // The rest of a file that was removed.
                for suffix in otherFiles { unlink(SystemText.cString(of: path + suffix)) }
                try file.createDatabase(at: path)
                guard stat(SystemText.cString(of: path), &status) == 0 else { throw file.problem(code: errno) }
            }
            try file.check(status)
        } catch {
            throw .problem(error)
        }
        // SQLite takes a file without a whole header for an empty one.
        guard status.st_size == 0 || status.st_size >= 512 else { throw .unusable(.foreign, foreign) }
        let opened = try sql { () throws(SQLiteFailure) -> Result<AnswersFile, AnswersFailure> in
            let connection = try SQLiteConnection(path: path, busyTimeout: busyTimeout)
            if let failure = try prepare(connection, path) { return .failure(failure) }
            return .success(
                AnswersFile(connection, path: path, identity: FileIdentity(status)))
        }
        return try opened.get()
    }

    /// Whether the path still leads to the opened file.
    var isInPlace: Bool { FileIdentity(at: path) == identity }

    /// The size of the database and its write-ahead log.
    var bytes: Int { Self.bytes(path) }

    static func bytes(_ path: String) -> Int {
        ["", "-wal"].reduce(0) { sum, suffix in
            var status = stat()
            return stat(SystemText.cString(of: path + suffix), &status) == 0 ? sum + Int(status.st_size) : sum
        }
    }

    /// Checks the database, and creates its tables if it is empty. Does not read all of it: damage of a row is noticed when
    /// the row is read.
    ///
    /// - Returns: Why it cannot be used; nil if it can.
    private static func prepare(_ connection: SQLiteConnection, _ path: String) throws(SQLiteFailure) -> AnswersFailure?
    {
        let id = try connection.value("PRAGMA application_id")
        let version = try connection.value("PRAGMA user_version")
        let isEmpty = try connection.value("SELECT count(*) FROM sqlite_schema") == .integer(0)
        let isNew = isEmpty && id == .integer(0) && version == .integer(0)
        guard isNew || id == .integer(applicationID) else { return .unusable(.foreign, foreign) }
        guard isNew || version == .integer(Self.version) else {
            guard let found = version.integer, found > Self.version else {
                return .damaged("its tables have an unknown version")
            }
            return .unusable(
                .newer,
                "a newer version of the service wrote it: its tables have version \(found), and this program knows "
                    + "\(Self.version)")
        }
        if connection.isReadOnly {
            guard access(SystemText.cString(of: path), W_OK) != 0 else {
                return .damaged("its header allows no writes")
            }
            return .problem(FileProblem(path: path, reason: "it cannot be written"))
        }
        // Only checkpoints are synced: a loss of power may lose the last answers, and Zoom has them. Deleted bytes are
        // overwritten with zeros.
        try connection.execute(
            "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON; "
                + "PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = \(logBytesMax)")
        guard try connection.value("PRAGMA journal_mode = WAL") == .text("wal") else {
            return .problem(
                FileProblem(
                    path: path,
                    reason: "its file system does not support the shared memory of SQLite's write-ahead log"))
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
        return nil
    }

    private static let foreign = "it is not a file of this service"

    /// Writes the log into the database, and empties it: the log has older versions of what was changed.
    ///
    /// - Returns: Whether the log is empty. Another program that reads the file can prevent it.
    func emptyLog() throws(AnswersFailure) -> Bool {
        try Self.sql { () throws(SQLiteFailure) in
            try connection.value("PRAGMA wal_checkpoint(TRUNCATE)") == .integer(0)
        }
    }

    static func sql<Value>(_ body: () throws(SQLiteFailure) -> Value) throws(AnswersFailure) -> Value {
        do throws(SQLiteFailure) {
            return try body()
        } catch {
            throw AnswersFailure(error)
        }
    }
}
