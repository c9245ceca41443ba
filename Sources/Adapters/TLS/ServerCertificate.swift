package import Logging
package import Metrics
package import NIOCore
import ServiceLifecycle
import Synchronization

/// A listener's certificate and key, reloaded when their files change.
///
/// New connections use the new certificate; open connections are not affected. If the files are invalid, the previous
/// certificate stays in use.
package final class ServerCertificate: Service {
    /// The paths of the PEM files.
    package struct Files: Sendable, Equatable {
        package var certificate: String
        package var key: String

        /// The certificate authorities of client certificates; `nil` if clients need no certificate.
        package var clientCA: String?

        package init(certificate: String, key: String, clientCA: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientCA = clientCA
        }

        var all: [String] { [certificate, key] + (clientCA.map { [$0] } ?? []) }

        fileprivate var contents: [SHA256Digest?] {
            all.map { path in (try? InputFile.read(path, bytesMax: 16 << 20)).map { SHA256Digest(of: $0[...]) } }
        }
    }

    private struct State {
        var context: TLSContext

        /// The digests of the files at the last read, to ignore notifications without a change.
        var contents: [SHA256Digest?]
        let read = NIODeadline.now()
        var problem: TLSFailure?
    }

    private let files: Files
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let loaded: Counter
    private let refused: Counter
    private let ticketKeys = TicketKeys()

    /// Runs the blocking file reads.
    private let queue = FileQueue()
    private let state: Mutex<State>

    /// - Throws: `TLSFailure` for invalid files.
    package init(
        _ files: Files, eventLoop: any EventLoop, metrics: any MetricsFactory = .none, logger: Logger
    ) throws(TLSFailure) {
        loaded = Counter(.reloads, [("file", "certificate"), ("outcome", "loaded")], in: metrics)
        refused = Counter(.reloads, [("file", "certificate"), ("outcome", "refused")], in: metrics)
        self.files = files
        self.eventLoop = eventLoop
        self.logger = logger
        let contents = files.contents
        state = Mutex(State(context: try Self.context(files, ticketKeys), contents: contents))
    }

    private static func context(_ files: Files, _ ticketKeys: TicketKeys) throws(TLSFailure) -> TLSContext {
        try TLSContext(
            certificateFile: files.certificate, keyFile: files.key, clientCAFile: files.clientCA,
            ticketKeys: ticketKeys)
    }

    /// The TLS context for new connections.
    var current: TLSContext { state.withLock { $0.context } }

    /// Seconds until the certificate expires; zero or negative after that.
    package var secondsLeft: Int {
        state.withLock { state in
            let age = (NIODeadline.now() - state.read).nanoseconds / 1_000_000_000
            return (state.context.certificateSecondsLeft ?? 0) - Int(age)
        }
    }

    /// Why the current files are not in use; `nil` if they are.
    package var problem: TLSFailure? { state.withLock { $0.problem } }

    /// Reloads the files when they change, until the service shuts down.
    package func run() async throws {
        let watch = FileWatch(paths: files.all, eventLoop: eventLoop, logger: logger)
        await cancelWhenGracefulShutdown {
            await watch.run { await self.queue.run { self.reload() } }
        }
    }

    /// Reloads the files if their content has changed.
    private func reload() {
        let contents = files.contents
        let isNew = state.withLock { state in
            defer { state.contents = contents }
            return state.contents != contents
        }
        guard isNew else { return }
        do throws(TLSFailure) {
            let context = try Self.context(files, ticketKeys)
            state.withLock { $0 = State(context: context, contents: contents) }
            loaded.increment()
            logger.info("reloaded the TLS certificate")
        } catch {
            state.withLock { $0.problem = error }
            refused.increment()
            logger.warning(
                "the TLS certificate could not be reloaded: the previous one stays in use",
                metadata: ["reason": "\(error)"])
        }
    }
}
