import Domain
package import Logging

/// Writes a line for each export: caller, master account, outcome and counts. It holds no personal data.
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

    private let logger: Logger

    /// - Parameter logger: Its label tells audit lines from others. Its level is ignored.
    package init(logger: Logger) {
        var logger = logger
        logger.logLevel = .info
        self.logger = logger
    }

    func export(
        by caller: Caller, _ requestID: RequestID, outcome: Outcome, code: Int? = nil, contacts: Int = 0,
        failures: Int = 0
    ) {
        var metadata: Logger.Metadata = [
            "caller": "\(caller.name)", "master": "\(caller.master?.rawValue ?? "only")",
            "request_id": "\(requestID.text)", "outcome": "\(outcome.rawValue)", "contacts": "\(contacts)",
            "failures": "\(failures)",
        ]
        if let code { metadata["code"] = "\(code)" }
        logger.info("export", metadata: metadata)
    }
}
