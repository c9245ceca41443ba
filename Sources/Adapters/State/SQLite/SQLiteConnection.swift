import CSQLite

/// A connection to an SQLite database in a file. Its calls block. One thread at a time may use it and its statements.
final class SQLiteConnection {
    /// Created here and closed by `deinit`, which runs after that of every statement: each has a reference to its
    /// connection.
    private let handle: OpaquePointer

    /// Opens an existing file. SQLite reads it only when the first statement needs it.
    ///
    /// - Parameters:
    ///   - path: In the form of `SystemText`. It begins with a slash, so that SQLite does not take it for a URI.
    ///   - isReadOnly: Opens it for reading only.
    ///   - busyTimeout: How long a statement waits for the locks of other connections.
    init(path: String, isReadOnly: Bool = false, busyTimeout: Duration) throws(SQLiteFailure) {
        precondition(path.utf8.first == UInt8(ascii: "/"), "a relative path")
        var opened: OpaquePointer?
        let mode = isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
        let code = sqlite3_open_v2(SystemText.cString(of: path), &opened, mode | SQLITE_OPEN_NOMUTEX, nil)
        guard let opened else { throw SQLiteFailure(code: SQLITE_NOMEM, message: "out of memory") }
        handle = opened
        guard code == SQLITE_OK else { throw failure() }
        sqlite3_extended_result_codes(opened, 1)
        sqlite3_busy_timeout(opened, Int32(busyTimeout / .milliseconds(1)))
    }

    deinit { sqlite3_close_v2(handle) }

    /// Whether the file could be opened for reading only.
    var isReadOnly: Bool { sqlite3_db_readonly(handle, "main") == 1 }

    /// The number of rows that the last statement inserted, updated or deleted.
    var changedRows: Int { Int(sqlite3_changes(handle)) }

    /// The integer primary key of the row that was inserted last.
    var lastInsertedRow: Int64 { sqlite3_last_insert_rowid(handle) }

    /// Whether a transaction has begun and not ended.
    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// Runs statements that have no parameters. Their results are discarded.
    func execute(_ sql: String) throws(SQLiteFailure) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure() }
    }

    /// The value of the first column of the first row.
    func value(_ sql: String) throws(SQLiteFailure) -> SQLiteValue {
        try prepare(sql).rows().first?.first ?? .null
    }

    /// Compiles a statement, which can be run repeatedly.
    func prepare(_ sql: String) throws(SQLiteFailure) -> SQLiteStatement {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil) == SQLITE_OK,
            let statement
        else { throw failure() }
        return SQLiteStatement(statement, of: self)
    }

    /// The failure of the last call.
    func failure() -> SQLiteFailure {
        let code = sqlite3_extended_errcode(handle)
        // Other failures leave the `errno` of an earlier one.
        let hasSystemError = [SQLITE_IOERR, SQLITE_CANTOPEN].contains(code & 0xFF)
        return SQLiteFailure(
            code: code, message: String(cString: sqlite3_errmsg(handle)),
            systemError: hasSystemError ? sqlite3_system_errno(handle) : 0)
    }
}
