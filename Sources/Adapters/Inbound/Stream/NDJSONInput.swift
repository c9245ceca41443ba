import Domain
import NIOCore
import Synchronization

/// Reads the accounts that a client lists, one JSON object a line: `{"account_id":"…"}`. Other members are ignored. Lines are
/// read on demand, so back-pressure reaches the client.
final class NDJSONInput: AccountFeed {
    private struct State {
        /// Received bytes that have not been parsed, from the start of a line.
        var bytes = ByteBuffer()
        var line = 0

        /// The current line is too long, and the rest of it is skipped.
        var isSkipping = false

        /// Many blank lines were skipped, and more bytes are there.
        var isPausing = false
        var isOver = false
        var failure: BillingFailure?
    }

    /// Far more than an account needs. Clients may send the lines of our own streams.
    private static let lineBytesMax = 64 * 1024

    /// Blank lines that are skipped before other work on the event loop runs.
    private static let blankLinesMax = 256

    private let body: BodyReader
    private let state = Mutex(State())

    init(_ body: BodyReader) {
        self.body = body
    }

    var count: Int? { nil }

    func next() -> AccountFeedItem {
        state.withLock { state in
            var blankLines = 0
            while true {
                guard blankLines < Self.blankLinesMax else {
                    state.isPausing = true
                    return .pending
                }
                if let failure = state.failure { return .failed(failure) }
                let view = state.bytes.readableBytesView
                let end = view.firstIndex(of: UInt8(ascii: "\n"))
                if end == nil, !state.isOver {
                    guard view.count > Self.lineBytesMax else { return .pending }
                    state.bytes.clear()
                    let isFirst = !state.isSkipping
                    state.isSkipping = true
                    guard isFirst else { continue }
                    return .malformed(line: state.line + 1, "The line is longer than \(Self.lineBytesMax) bytes.")
                }
                guard end != nil || !view.isEmpty else { return .end }
                let line = Array(view[..<(end ?? view.endIndex)])
                state.bytes.moveReaderIndex(forwardBy: line.count + (end == nil ? 0 : 1))
                state.line += 1
                if state.isSkipping {
                    state.isSkipping = false
                    continue
                }
                if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
                    blankLines += 1
                    continue
                }
                return Self.step(line, number: state.line)
            }
        }
    }

    private static func step(_ line: [UInt8], number: Int) -> AccountFeedItem {
        let value: JSONValue
        do throws(JSONSyntaxError) {
            value = try JSONValue(parsing: line)
        } catch {
            return .malformed(line: number, "Line \(number) is not JSON: \(error).")
        }
        guard let object = value.object else { return .malformed(line: number, "Line \(number) is not an object.") }
        // Parsers differ in which of two members with one name counts (RFC 8259, 4).
        if let name = object.firstRepeatedName {
            let isOurs = name == "account_id"
            return .malformed(line: number, "Line \(number) has \(isOurs ? "\"account_id\"" : "a member") twice.")
        }
        guard let text = object["account_id"]?.string, let account = AccountID(text) else {
            return .malformed(line: number, "Line \(number) has no valid \"account_id\".")
        }
        return .account(account)
    }

    func waitForMore() async {
        let wasPausing = state.withLock { state in
            defer { state.isPausing = false }
            return state.isPausing
        }
        if wasPausing {
            await body.waitForSlice()
            return
        }
        do throws(HTTPFailure) {
            let bytes = try await body.next()
            state.withLock { state in
                guard let bytes else {
                    state.isOver = true
                    return
                }
                state.bytes.discardReadBytes()
                state.bytes.writeImmutableBuffer(bytes)
            }
        } catch {
            state.withLock { state in
                state.failure = error == .timedOut ? .timedOut : .cancelled
            }
        }
    }
}
