import Adapters
import NIOCore

/// Lines of a stream that describe accounts completely: each account has a line of each requested type.
struct ExportBatch: Sendable {
    /// The lines, each with its line feed.
    var lines = ByteBuffer()

    /// Whether `lines` can be written to an NDJSON file unchanged, and is UTF-8.
    var hasOnlyPlainLines = true

    /// The number of accounts.
    var accounts = 0

    /// The id of the last account.
    var lastAccount: String?

    /// The number of lines with data, by type.
    var records: [RecordType: Int] = [:]

    /// The number of accounts that have vanished.
    var gone = 0

    /// The moment of the `begin` line: later changes are in an export of the changes since then.
    var moment: String?

    /// The replica that sends the stream: the milliseconds of its moments. nil if there is only one.
    var replica: String?

    /// Whether the stream has no more lines.
    var isLast = false

    /// The number of failures, by code.
    var failures: [String: Int] = [:]
}
