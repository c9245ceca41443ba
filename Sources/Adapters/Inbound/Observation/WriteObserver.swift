import Domain
import Logging

/// Writes the audit line of each change, and counts the changes.
struct WriteObserver: Sendable {
    let audit: AuditLog
    let metrics: WriteMetrics
    let logger: Logger

    func ended(_ line: AuditLog.WriteLine) {
        audit.write(line)
        metrics.count(line.operation, line.ending)
        guard !line.isRecorded else { return }
        metrics.countUnrecorded()
        logger.error(
            "the outcome of a change is not recorded; after a restart its idempotency key is unknown",
            metadata: [
                "request_id": "\(line.requestID.text)", "operation": "\(line.operation.title)",
                "outcome": "\(line.ending.rawValue)",
            ])
    }
}

extension AuditLog.WriteEnding {
    init(_ completion: WriteAccount.Completion) {
        guard !completion.isReplayed else {
            self = .replayed
            return
        }
        switch completion.result {
        case .success: self = .done
        case .failure(let failure): self.init(failure)
        }
    }

    private init(_ failure: BillingFailure) {
        self =
            switch failure {
            case .invalid: .invalid
            case .selfPay: .refused
            case .write(let problem):
                switch problem {
                case .refused: .refused
                case .outcomeUnknown: .unknown
                case .keyMissing, .keyReused, .preconditionMissing: .invalid
                case .notPossible, .keyInUse, .keyNotFound, .accountBusy, .preconditionFailed, .storeNotDurable:
                    .notSent
                }
            case .accountNotFound, .accountIsFree, .invoiceNotFound, .scopeMissing, .rateLimited, .dailyQuotaSpent,
                .accountQuotaSpent, .credentialsRefused, .permissionMissing, .sourceFailed, .sourceRejected,
                .answerTooLarge, .sourceUnavailable, .timedOut, .notCached, .accountListUnusable, .invoiceFileUnusable,
                .stateUnavailable, .changesUnknown, .cancelled:
                .notSent
            }
    }
}
