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
    /// Runs `body`, and cancels it at the first signal.
    ///
    /// - Throws: The error of `body`; `CommandFailure` if it was cancelled and returned nothing.
    func cancelling<Result: Sendable>(
        _ logger: Logger, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let (untilSignal, signal) = AsyncStream<Never>.makeStream()
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await run(logger) { signal.finish() }
                return nil
            }
            group.addTask {
                for await _ in untilSignal {}
                return nil
            }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let result = ended { return result }
                group.cancelAll()
            }
            throw CommandFailure("interrupted")
        }
    }
}
