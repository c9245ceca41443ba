package import Logging
import NIOCore
package import NIOPosix
import ServiceLifecycle

/// Tells systemd how the service is doing (sd_notify(3)): that it is ready, that it goes on, that it stops.
package final class SystemdNotifier: Service {
    private let socketPath: String
    private let watchdog: TimeAmount?
    private let group: MultiThreadedEventLoopGroup
    private let isAlive: @Sendable () -> Bool
    private let logger: Logger

    /// What systemd has put in the environment; `nil` if nobody is to be told.
    ///
    /// - Parameters:
    ///   - group: With a loop that goes on when those that serve requests are busy.
    ///   - isAlive: Whether the service goes on. While it does not, systemd hears nothing and restarts it in the end.
    package init?(
        environment: [String: String], processID: Int32, group: MultiThreadedEventLoopGroup, logger: Logger,
        isAlive: @escaping @Sendable () -> Bool
    ) {
        // An abstract address begins with @, which NIO cannot connect to; systemd itself gives a path.
        guard let path = environment["NOTIFY_SOCKET"], path.hasPrefix("/") else { return nil }
        socketPath = path
        let isForUs = environment["WATCHDOG_PID"].map { $0 == "\(processID)" } ?? true
        watchdog = isForUs ? environment["WATCHDOG_USEC"].flatMap(Int64.init).map(TimeAmount.microseconds) : nil
        self.group = group
        self.isAlive = isAlive
        self.logger = logger
    }

    /// Until the service shuts down; as the first of a group it is stopped last, so that the watchdog is fed to the end.
    package func run() async throws {
        do {
            let channel = try await DatagramBootstrap(group: group).connect(unixDomainSocketPath: socketPath).get()
            send("READY=1\nSTATUS=serving", on: channel)
            let feeding = watchdog.map { watchdog in
                // Twice as often as needed (sd_watchdog_enabled(3)).
                let interval = TimeAmount.nanoseconds(max(1_000_000, watchdog.nanoseconds / 2))
                return channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { _ in
                    if self.isAlive() { self.send("WATCHDOG=1", on: channel) }
                }
            }
            try? await gracefulShutdown()
            feeding?.cancel()
            try? await channel.close()
        } catch {
            logger.warning("systemd cannot be told how the service is", metadata: ["reason": "\(error)"])
            try? await gracefulShutdown()
        }
    }

    /// The service was asked to stop: from now on that is what it does.
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
