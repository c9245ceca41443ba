package import Domain
import Synchronization

/// Collects the lines of an export.
package final class StreamedLines: ExportBilling.Consumer {
    package struct Line: Sendable {
        package let account: AccountID

        /// The body of an answer; empty for a failure.
        package let text: String
    }

    private struct State {
        var lines: [Line] = []
        var asOf: Int64?
    }

    private let state = Mutex(State())
    private let text: @Sendable (any CachedResponse) -> String

    /// - Parameter text: The body of an answer that is not part of a run.
    package init(text: @escaping @Sendable (any CachedResponse) -> String = { _ in "" }) {
        self.text = text
    }

    package var lines: [Line] { state.withLock { $0.lines } }
    package var count: Int { lines.count }

    /// The moment for the next stream, in milliseconds since 1970.
    package var asOf: Int64? { state.withLock { $0.asOf } }

    package func flush() async throws(BillingFailure) {}

    package func take(_ event: ExportBilling.Event) async throws(BillingFailure) {
        state.withLock { state in
            switch event {
            case .answer(_, let account, let entry):
                state.lines.append(Line(account: account, text: text(entry.response)))
            case .run(let run):
                for index in 0..<run.count {
                    let answer = run[index]
                    let text = String(decoding: answer.body, as: UTF8.self)
                    state.lines.append(Line(account: answer.account, text: text))
                }
            case .failure(_, let account, _): state.lines.append(Line(account: account, text: ""))
            case .end(let summary): state.asOf = summary.asOf
            case .begin, .gone, .malformed, .heartbeat: break
            }
        }
    }
}
