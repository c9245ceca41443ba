import Adapters
import Logging
import UnixSignals

#if canImport(Glibc)
    import Glibc
#endif

/// The signals that shut a server down: SIGTERM, SIGINT, and SIGHUP, which a terminal sends when it is closed.
///
/// They are trapped from `init` on, so that a signal during start-up is not lost. Under `nohup`, SIGHUP stays ignored.
struct ShutdownSignals: Sendable {
    /// Signals within this time of the first count as the same request. GNU `timeout`, for example, signals the process and
    /// then its group.
    private static let repeatMin = Duration.seconds(1)

    private let signals: UnixSignalsSequence

    init() async {
        signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint] + (Self.isHangUpIgnored ? [] : [.sighup]))
    }

    /// No handler is installed yet, so the disposition is either the default or to ignore the signal.
    private static var isHangUpIgnored: Bool {
        var action = sigaction()
        return sigaction(SIGHUP, nil, &action) == 0 && action.__sigaction_handler.sa_handler != nil
    }

    /// Runs `shutDown` at the first signal. A signal more than a second later ends the program at once, with status 1.
    /// Returns when the task is cancelled.
    func run(_ logger: Logger, shutDown: @escaping @Sendable () async -> Void) async {
        await withDiscardingTaskGroup { group in
            var first: ContinuousClock.Instant?
            for await signal in signals {
                let now = ContinuousClock.now
                guard let begin = first else {
                    first = now
                    logger.info("shutting down", metadata: ["signal": "\(signal)"])
                    group.addTask { await shutDown() }
                    continue
                }
                guard now - begin > Self.repeatMin else { continue }
                logger.warning("second signal: exiting at once", metadata: ["signal": "\(signal)"])
                Output.exit(1)
            }
            group.cancelAll()
        }
    }
}
