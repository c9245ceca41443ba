import Domain
package import Logging

/// Who did what, when and with what outcome: a line for each export, and nothing personal in it.
package struct AuditLog: Sendable {
    /// How an export ended.
    enum Outcome: String, Sendable, CaseIterable {
        case complete
        /// It was not begun.
        case refused
        /// Its caller lost the right to it on the way.
        case revoked
        /// Its reader went away, or the service did.
        case cancelled
        case failed
    }

    private let logger: Logger

    /// - Parameter logger: With a label of its own. Whatever its level, the lines are written.
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
