import Domain
package import Logging

/// Writes a line for each export (caller, master account, outcome and counts) and for each change of an account. It holds no
/// personal data.
package struct AuditLog: Sendable {
    /// How an export ended.
    enum Outcome: String, Sendable, CaseIterable {
        case complete
        /// The export did not begin.
        case refused
        /// The caller lost the right to it while it ran.
        case revoked
        /// The reader went away, or the service shut down.
        case cancelled
        case failed
    }

    /// The lines that an export has sent.
    struct Lines: Sendable {
        /// The number of lines of each requested type.
        var records: [(type: RecordType, count: Int)] = [(.contact, 0)]
        var failures = 0
    }

    let logger: Logger

    /// - Parameter logger: Its label tells audit lines from others. Its level is ignored.
    package init(logger: Logger) {
        var logger = logger
        logger.logLevel = .info
        self.logger = logger
    }

    func export(
        by caller: Caller, _ requestID: RequestID, outcome: Outcome, code: Int? = nil, lines: Lines = Lines()
    ) {
        var metadata: Logger.Metadata = [
            "caller": "\(caller.name)", "master": "\(caller.master?.rawValue ?? "only")",
            "request_id": "\(requestID.text)", "outcome": "\(outcome.rawValue)",
            "failures": "\(lines.failures)",
        ]
        for (type, count) in lines.records { metadata[Self.key(of: type)] = "\(count)" }
        if let code { metadata["code"] = "\(code)" }
        logger.info("export", metadata: metadata)
    }

    private static func key(of type: RecordType) -> String {
        switch type {
        case .contact: "contacts"
        case .plans: "plans"
        case .usage: "usage"
        case .invoices: "invoices"
        }
    }
}
