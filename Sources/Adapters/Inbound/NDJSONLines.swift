import Domain
import NIOCore
import Synchronization

/// Writes the events of an export as lines of NDJSON, one object a line, `type` first.
final class NDJSONLines: ExportContacts.Consumer {
    enum Selection: Sendable {
        case all
        /// `contact` and `failure` lines alone, for tools that load every line.
        case records
    }

    private let selection: Selection
    private let body: BodyWriter

    private struct Counts {
        var contacts = 0
        /// By code, for the `end` line.
        var failures: [Int: Int] = [:]
    }

    private let counts = Mutex(Counts())

    /// What was told of so far.
    var told: (contacts: Int, failures: Int) {
        counts.withLock { ($0.contacts, $0.failures.values.reduce(0, +)) }
    }

    init(selection: Selection, body: BodyWriter) {
        self.selection = selection
        self.body = body
    }

    func take(_ event: ExportContacts.Event) async throws(BillingFailure) {
        // A producer that was held by its reader may have been told to stop meanwhile.
        guard !Task.isCancelled else { throw .cancelled }
        guard let line = line(for: event) else { return }
        do throws(BodyWriter.Closed) {
            try await body.write(line)
        } catch {
            throw .cancelled
        }
    }

    /// The last line of a stream that could not go on.
    func end(with problem: ProblemDetails) async {
        guard selection == .all else { return }
        let line = Self.line("error") { object in
            object.member("status", problem.status)
            object.member("code", problem.code)
            object.member("message", problem.message)
        }
        try? await body.write(line)
    }

    private func line(for event: ExportContacts.Event) -> ByteBuffer? {
        switch event {
        case .contact(let account, let dated):
            counts.withLock { $0.contacts += 1 }
            return Self.line("contact") { object in
                object.member("account_id", account.rawValue)
                object.member("as_of", dated.asOf.rfc3339)
                object.member("billing") { $0.writeContact(dated.contact) }
            }
        case .failure(let account, let failure):
            let problem = FailureTable.problem(for: failure)
            counts.withLock { $0.failures[problem.code, default: 0] += 1 }
            return Self.line("failure") { object in
                object.member("account_id", account.rawValue)
                object.member("status", problem.status)
                object.member("code", problem.code)
                object.member("message", problem.message)
            }
        case .begin, .heartbeat, .end:
            return selection == .all ? frame(for: event) : nil
        }
    }

    private func frame(for event: ExportContacts.Event) -> ByteBuffer? {
        switch event {
        case .begin(let accounts, let after):
            return Self.line("begin") { object in
                object.member("accounts", accounts)
                object.member("after", after?.rawValue)
            }
        case .heartbeat(let done, let accounts, let wait):
            return Self.line("heartbeat") { object in
                object.member("done", done)
                object.member("accounts", accounts)
                object.member("waiting", Self.name(of: wait))
            }
        case .end(let summary):
            let byCode = counts.withLock { $0.failures }.sorted { $0.key < $1.key }
            return Self.line("end") { object in
                object.member("complete", true)
                object.member("contacts", summary.contacts)
                object.member("failures", summary.failures)
                object.member("by_code") { buffer in
                    buffer.writeJSONObject { object in
                        for (code, count) in byCode {
                            object.member(named: String(code), text: Array(String(count).utf8))
                        }
                    }
                }
                object.member("elapsed_ms", Int(summary.elapsed / .milliseconds(1)))
            }
        case .contact, .failure:
            return nil
        }
    }

    private static func name(of wait: ExportContacts.Wait) -> String {
        switch wait {
        case .accountList: "zoom-account-list"
        case .rateLimit: "zoom-rate-limit"
        case .lookup: "zoom"
        }
    }

    private static func line(_ type: String, _ members: (inout JSONMemberWriter) -> Void) -> ByteBuffer {
        var line = ByteBuffer()
        line.writeJSONObject { object in
            object.member("type", type)
            members(&object)
        }
        line.writeInteger(UInt8(ascii: "\n"))
        return line
    }
}
