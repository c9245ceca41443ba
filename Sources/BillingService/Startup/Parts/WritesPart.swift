import Adapters
import Domain
import Logging
import ServiceLifecycle

/// The changes of accounts.
struct WritesPart: ApplicationPart {
    let writeAccount: WriteAccount
    let rules: WriteRules
    private let logger: Logger

    init(_ settings: ServeSettings, _ zoom: ZoomPart, keys: any IdempotencyStore, _ context: ApplicationContext) {
        writeAccount = WriteAccount(
            writer: zoom.masters, source: zoom.masters, cache: zoom.cache, keys: keys, rules: settings.writes.rules,
            time: context.time, digest: { SHA256Digest(of: $0[...]).bytes })
        rules = settings.writes.contents
        logger = context.logger
    }

    var services: [any Service] { [ClosingWrites(writeAccount: writeAccount, logger: logger)] }

    func registerCollectors(in metrics: MetricsRegistry) {
        metrics.collect(from: writeAccount)
    }
}

/// Waits at shutdown until the changes have ended that were sent and whose callers have gone. The API listener has stopped
/// before, and the client of Zoom stops afterwards.
private struct ClosingWrites: Service {
    let writeAccount: WriteAccount
    let logger: Logger

    func run() async throws {
        try? await gracefulShutdown()
        let count = writeAccount.runningCount
        if count > 0 {
            logger.notice(
                "waiting for changes that were sent, to record their outcome", metadata: ["changes": "\(count)"])
        }
        await writeAccount.close()
    }
}
