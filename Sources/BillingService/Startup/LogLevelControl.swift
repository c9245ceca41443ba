import Adapters
import Logging
import Metrics
import NIOCore
import ServiceLifecycle
import UnixSignals

/// Changes the log level while the service runs. SIGUSR1 logs one level more, and SIGUSR2 restores the configured level. A
/// changed level in the file of `--config` applies at once.
struct LogLevelControl: Service {
    let output: LogOutput
    let configured: Logger.Level

    /// The file of `--config`, and a function that reads its current log level.
    struct File: Sendable {
        let path: String
        let level: @Sendable () async throws -> Logger.Level
    }

    let configuration: File?
    let eventLoop: any EventLoop
    let metrics: any MetricsFactory
    let logger: Logger

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigusr1, .sigusr2)
        await cancelWhenGracefulShutdown {
            await withTaskGroup { group in
                group.addTask {
                    for await signal in signals {
                        set(signal == .sigusr1 ? output.level.next : await level(orLast: configured), "\(signal)")
                    }
                }
                if let configuration { group.addTask { await follow(configuration.path) } }
            }
        }
    }

    private func follow(_ path: String) async {
        let loaded = Counter(.reloads, [("file", "configuration"), ("outcome", "loaded")], in: metrics)
        let refused = Counter(.reloads, [("file", "configuration"), ("outcome", "refused")], in: metrics)
        var last = configured
        var problem: String?
        await FileWatch(paths: [path], eventLoop: eventLoop, logger: logger).run {
            do {
                let level = try await configuration?.level() ?? last
                problem = nil
                guard level != last else { return }
                last = level
                loaded.increment()
                set(level, "the configuration")
            } catch {
                guard problem != "\(error)" else { return }
                problem = "\(error)"
                refused.increment()
                logger.warning(
                    "the configuration file cannot be used: the log level is not changed",
                    metadata: ["reason": "\(error)"])
            }
        }
    }

    private func level(orLast level: Logger.Level) async -> Logger.Level {
        (try? await configuration?.level()) ?? level
    }

    private func set(_ level: Logger.Level, _ reason: String) {
        output.level = level
        // Logged at any level, since all later lines depend on it.
        var logger = logger
        logger.logLevel = .info
        logger.notice("the log level was changed", metadata: ["level": "\(level)", "by": "\(reason)"])
    }
}

extension Logger.Level {
    /// The next less severe level.
    fileprivate var next: Logger.Level {
        let levels = Logger.Level.allCases
        return levels[max(0, (levels.firstIndex(of: self) ?? 0) - 1)]
    }
}
