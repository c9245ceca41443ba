import CSQLite

#if canImport(Glibc)
    import Glibc
#endif

/// Why SQLite could not do something. Its text names files and SQL, never values.
struct SQLiteFailure: Error, Equatable, CustomStringConvertible {
    /// The kinds of failures that are handled differently.
    enum Kind: String, CaseIterable {
        /// Another process held the lock of the file for too long.
        case locked
        /// The disk or the quota is full.
        case full
        /// The file or its folder cannot be written.
        case readOnly = "read-only"
        /// The file is not a database.
        case foreign
        /// The file's content contradicts itself.
        case damaged
        /// Reading or writing failed, or anything else.
        case failed
    }

    /// The extended result code (SQLite: Result and Error Codes).
    let code: Int32
    let kind: Kind
    let reason: String

    /// - Parameters:
    ///   - code: An extended or a primary result code.
    ///   - message: The text of `sqlite3_errmsg`.
    ///   - systemError: `errno` of the failed system call; 0 if there was none.
    init(code: Int32, message: String, systemError: Int32 = 0) {
        self.code = code
        // A limit of the size of files acts like a full disk.
        let isFull = [ENOSPC, EDQUOT, EFBIG].contains(systemError)
        kind =
            switch code & 0xFF {
            case SQLITE_BUSY, SQLITE_LOCKED: .locked
            case SQLITE_FULL: .full
            case SQLITE_READONLY: .readOnly
            case SQLITE_NOTADB: .foreign
            case SQLITE_CORRUPT: .damaged
            default: isFull ? .full : .failed
            }
        let cause = systemError == 0 ? "" : ": \(String(cString: strerror(systemError)))"
        reason = "\(message) (SQLite error \(code)\(cause))"
    }

    /// Whether SQLite refused the statement itself, or a value of it.
    var isOfStatement: Bool {
        [SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_RANGE].contains(code & 0xFF)
    }

    var description: String { reason }
}
