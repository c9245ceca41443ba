#if canImport(Glibc)
    import Glibc
#endif

/// What the files of a service's state have, without any content of a change or an answer.
package struct StateReport: Sendable {
    /// The file with idempotency keys.
    package struct Keys: Sendable {
        package let file: File

        /// How many keys have each state, in the order of a key's life.
        package var states: [(state: String, count: Int)] = []
    }

    /// The file with cached answers.
    package struct Answers: Sendable {
        package let file: File
        package var pages = 0
        package var answers = 0
        package var documents = 0

        /// When the oldest and the newest answer were received, in seconds since 1970; nil if there is none.
        package var oldest: Int64?
        package var newest: Int64?

        /// The number of pages and documents by encryption key. The id is `nil` for the ones without encryption.
        package var keyIDs: [(id: String?, count: Int)] = []
    }

    package struct File: Sendable {
        package let path: String

        /// With the write-ahead log; nil if there is no file.
        package var bytes: Int?

        /// The version of its tables.
        package var version: Int?

        /// Why it could not be read.
        package var problem: String?
    }

    package let keys: Keys
    package let answers: Answers
    package let setAside: [(path: String, bytes: Int)]

    /// Whether a service uses the files.
    package let isInUse: Bool
}

extension StateReport.Keys {
    private static let states = ["claimed", "sending", "unknown", "done", "refused"]

    init(path: String, busyTimeout: Duration) {
        var states: [(state: String, count: Int)] = []
        file = StateReport.File(
            path: path, applicationID: StateFile.applicationID, busyTimeout: busyTimeout
        ) { connection throws(SQLiteFailure) in
            let rows = try connection.prepare("SELECT state, count(*) FROM idempotency_keys GROUP BY state").rows()
            states = Self.states.map { state in
                (state, rows.first { $0[0].text == state }.flatMap { $0[1].integer }.map(Int.init) ?? 0)
            }
        }
        self.states = states
    }
}

extension StateReport.Answers {
    init(path: String, busyTimeout: Duration) {
        var (pages, documents): ([SQLiteValue], Int64) = ([], 0)
        var keyIDs: [(id: String?, count: Int)] = []
        file = StateReport.File(
            path: path, applicationID: AnswersFile.applicationID, busyTimeout: busyTimeout
        ) { connection throws(SQLiteFailure) in
            pages =
                try connection.prepare("SELECT count(*), sum(answers), min(oldest), max(newest) FROM pages").rows()
                .first ?? []
            let cached = "documents WHERE name <> '\(CompleteEnd.name)'"
            documents = try connection.value("SELECT count(*) FROM \(cached)").integer ?? 0
            keyIDs = try connection.prepare(
                """
                SELECT key_id, count(*) FROM (SELECT key_id FROM pages UNION ALL SELECT key_id FROM \(cached))
                GROUP BY key_id ORDER BY key_id
                """
            ).rows().map { ($0[0].text, Int($0[1].integer ?? 0)) }
        }
        self.keyIDs = keyIDs
        self.documents = Int(documents)
        guard pages.count == 4 else { return }
        self.pages = Int(pages[0].integer ?? 0)
        answers = Int(pages[1].integer ?? 0)
        oldest = pages[2].integer.map { $0 / 1000 }
        newest = pages[3].integer.map { $0 / 1000 }
    }
}

extension StateReport.File {
    /// Reads a database.
    fileprivate init(
        path: String, applicationID: Int64, busyTimeout: Duration,
        _ read: (SQLiteConnection) throws(SQLiteFailure) -> Void
    ) {
        self.path = path
        var status = stat()
        guard stat(SystemText.cString(of: path), &status) == 0 else {
            if errno != ENOENT { problem = FileProblem(path: path, code: errno).reason }
            return
        }
        bytes = AnswersFile.bytes(path)
        do throws(SQLiteFailure) {
            let connection = try SQLiteConnection(path: path, isReadOnly: true, busyTimeout: busyTimeout)
            guard try connection.value("PRAGMA application_id") == .integer(applicationID) else {
                problem = "it is not a file of this service"
                return
            }
            version = try connection.value("PRAGMA user_version").integer.map(Int.init)
            try read(connection)
        } catch {
            problem =
                error.kind == .readOnly
                ? "SQLite has to create files beside it to read it, and the folder cannot be written" : error.reason
        }
    }
}
