package import Logging
import NIOCore
package import NIOPosix
import ServiceLifecycle

/// Sends the service's state to systemd (sd_notify(3)): ready, watchdog keep-alive, stopping.
package final class SystemdNotifier: Service {
    private let socketPath: String
    private let watchdog: TimeAmount?
    private let group: MultiThreadedEventLoopGroup
    private let isAlive: @Sendable () -> Bool
    private let logger: Logger

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`; `nil` without a notification socket.
    ///
    /// - Parameters:
    ///   - group: Its event loops serve no requests, so that a busy service still sends keep-alives.
    ///   - isAlive: Whether the service makes progress. While it does not, no keep-alive is sent, and systemd restarts the
    ///     service after the watchdog timeout.
    package init?(
        environment: [String: String], processID: Int32, group: MultiThreadedEventLoopGroup, logger: Logger,
        isAlive: @escaping @Sendable () -> Bool
    ) {
        // NIO cannot connect to abstract addresses, which begin with @. systemd itself passes a path.
        guard let path = environment["NOTIFY_SOCKET"], path.hasPrefix("/") else { return nil }
        socketPath = path
        let isForUs = environment["WATCHDOG_PID"].map { $0 == "\(processID)" } ?? true
        watchdog = isForUs ? environment["WATCHDOG_USEC"].flatMap(Int64.init).map(TimeAmount.microseconds) : nil
        self.group = group
        self.isAlive = isAlive
        self.logger = logger
    }

    /// Sends keep-alives until graceful shutdown. As the first service of its group it is stopped last.
    package func run() async throws {
        do {
            let channel = try await DatagramBootstrap(group: group).connect(unixDomainSocketPath: socketPath).get()
            send("READY=1\nSTATUS=serving", on: channel)
            let keepAlives = watchdog.map { watchdog in
                // At half the timeout, as sd_watchdog_enabled(3) recommends.
                let interval = TimeAmount.nanoseconds(max(1_000_000, watchdog.nanoseconds / 2))
                return channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { _ in
                    if self.isAlive() { self.send("WATCHDOG=1", on: channel) }
                }
            }
            try? await gracefulShutdown()
            keepAlives?.cancel()
            try? await channel.close()
        } catch {
            logger.warning("cannot send notifications to systemd", metadata: ["reason": "\(error)"])
            try? await gracefulShutdown()
        }
    }

    /// Sends `STOPPING=1`.
    package func stopping() async {
        guard let channel = try? await DatagramBootstrap(group: group).connect(unixDomainSocketPath: socketPath).get()
        else { return }
        try? await channel.writeAndFlush(ByteBuffer(string: "STOPPING=1\nSTATUS=shutting down")).get()
        try? await channel.close()
    }

    private func send(_ state: String, on channel: any Channel) {
        channel.writeAndFlush(ByteBuffer(string: state), promise: nil)
    }
}
