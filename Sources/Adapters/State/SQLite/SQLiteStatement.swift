import CSQLite

/// A value of a column or a parameter.
enum SQLiteValue: Equatable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    var text: String? { if case .text(let value) = self { value } else { nil } }
    var blob: [UInt8]? { if case .blob(let value) = self { value } else { nil } }
}

/// A compiled statement. A run binds all parameters, and ends before it returns: no cursor stays open.
final class SQLiteStatement {
    /// Finalized by `deinit`.
    private let handle: OpaquePointer
    private let connection: SQLiteConnection

    /// - Parameter handle: The statement, which this object finalizes.
    init(_ handle: OpaquePointer, of connection: SQLiteConnection) {
        self.handle = handle
        self.connection = connection
    }

    deinit { sqlite3_finalize(handle) }

    /// Runs the statement to its end.
    ///
    /// - Returns: The rows, each with the values of its columns.
    @discardableResult
    func rows(_ parameters: SQLiteValue...) throws(SQLiteFailure) -> [[SQLiteValue]] {
        // Without a reset, the statement would hold its locks.
        defer {
            sqlite3_reset(handle)
            sqlite3_clear_bindings(handle)
        }
        for (index, value) in parameters.enumerated() {
            guard bind(value, to: Int32(index + 1)) == SQLITE_OK else { throw connection.failure() }
        }
        var rows: [[SQLiteValue]] = []
        while true {
            switch sqlite3_step(handle) {
            case SQLITE_ROW: rows.append((0..<sqlite3_column_count(handle)).map(column))
            case SQLITE_DONE: return rows
            default: throw connection.failure()
            }
        }
    }

    private func bind(_ value: SQLiteValue, to index: Int32) -> Int32 {
        switch value {
        case .null: sqlite3_bind_null(handle, index)
        case .integer(let number): sqlite3_bind_int64(handle, index, number)
        case .text(let text): shim_sqlite3_bind_text(handle, index, text, Int32(text.utf8.count))
        // An empty array may have no address, which SQLite takes for NULL.
        case .blob(let bytes) where bytes.isEmpty: sqlite3_bind_zeroblob(handle, index, 0)
        case .blob(let bytes): shim_sqlite3_bind_blob(handle, index, bytes, Int32(bytes.count))
        }
    }

    private func column(_ index: Int32) -> SQLiteValue {
        switch sqlite3_column_type(handle, index) {
        case SQLITE_INTEGER: .integer(sqlite3_column_int64(handle, index))
        case SQLITE_TEXT: .text(String(decoding: bytes(sqlite3_column_text(handle, index), index), as: UTF8.self))
        case SQLITE_BLOB: .blob(Array(bytes(sqlite3_column_blob(handle, index), index)))
        // The tables have no numbers with fractions.
        default: .null
        }
    }

    /// The bytes of a column, valid until the next step. The pointer is requested before the count, as SQLite requires.
    private func bytes(_ start: UnsafeRawPointer?, _ index: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, index)))
    }

    private func bytes(_ start: UnsafePointer<UInt8>?, _ index: Int32) -> UnsafeRawBufferPointer {
        bytes(start.map { UnsafeRawPointer($0) }, index)
    }
}
