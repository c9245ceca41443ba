import Domain
import Logging

extension AuditLog {
    /// How the request for a change ended.
    enum WriteEnding: String, Sendable, CaseIterable {
        case done
        /// The answer is that of an earlier request with the same key.
        case replayed
        /// Zoom refused the change.
        case refused
        /// The change may have reached Zoom, and its outcome is not known.
        case unknown
        /// Nothing was sent.
        case notSent = "not-sent"
        /// The request breaks rules. Nothing was sent.
        case invalid
        case dryRun = "dry-run"
    }

    /// What the audit log says of the request for a change: names of fields, and no values of contacts.
    struct WriteLine: Sendable {
        let caller: Caller
        let requestID: RequestID
        let operation: Operation
        let ending: WriteEnding

        /// `nil` if the path has no valid account.
        var account: AccountID?
        var key: IdempotencyKey?

        /// The status that the caller gets if it is still there.
        let status: Int

        /// The code of a problem.
        var code: Int?

        /// Zoom's identifier of the exchange.
        var trackingID: String?

        /// Zoom's names of the changed fields.
        var fields: [String] = []
        var plans: [PlanQuantity] = []

        /// Whether the store of idempotency keys has the outcome.
        var isRecorded = true
    }

    func write(_ line: WriteLine) {
        var metadata = Self.metadata(of: line.caller, line.requestID, line.ending.rawValue, key: line.key)
        metadata["operation"] = "\(line.operation.title)"
        metadata["status"] = "\(line.status)"
        if let account = line.account { metadata["account"] = "\(account)" }
        if let code = line.code { metadata["code"] = "\(code)" }
        if let trackingID = line.trackingID { metadata["zoom_tracking_id"] = "\(trackingID)" }
        if !line.fields.isEmpty { metadata["fields"] = "\(line.fields.joined(separator: ","))" }
        if !line.plans.isEmpty {
            let plans = line.plans.map { plan in plan.hosts.map { "\(plan.code):\($0)" } ?? plan.code }
            metadata["plans"] = "\(plans.joined(separator: ","))"
        }
        if !line.isRecorded { metadata["recorded"] = "false" }
        logger.info("write", metadata: metadata)
    }

    /// Writes a line for a key that a caller removed.
    func removedKey(_ key: IdempotencyKey, by caller: Caller, _ requestID: RequestID) {
        logger.info("write", metadata: Self.metadata(of: caller, requestID, "key-removed", key: key))
    }

    private static func metadata(
        of caller: Caller, _ requestID: RequestID, _ outcome: String, key: IdempotencyKey?
    ) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "caller": "\(caller.name)", "master": "\(caller.master?.rawValue ?? "only")",
            "request_id": "\(requestID.text)", "outcome": "\(outcome)",
        ]
        if let key { metadata["key"] = "\(key.rawValue)" }
        return metadata
    }
}
