import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Sends requests for files.
///
/// Files have connections of their own: a file whose reader pauses occupies its connection, or one of its streams.
final class ZoomFileClient: Sendable {
    private let configuration: ZoomConfiguration
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger

    private struct State {
        /// By origin. There are as few as the configuration allows.
        var clients: [String: HTTPClient] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())

    /// The receive buffer of a connection. An invoice has some 100 KB, and this is enough for 2 MB/s around the world.
    private static let receiveBufferBytes = 262_144

    init(configuration: ZoomConfiguration, group: MultiThreadedEventLoopGroup, logger: Logger) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
    }

    /// Sends a request and returns the head of its response. The body is then read in pieces.
    func send(_ message: ClientRequest, to origin: Origin) async throws(HTTPFailure) -> StreamedResponse {
        guard let client = client(of: origin) else {
            throw .notConnected(ConnectFailure(.shuttingDown, to: origin))
        }
        return try await client.stream(
            message, headTimeout: configuration.timeout, silenceMax: configuration.http.firstByte)
    }

    private func client(of origin: Origin) -> HTTPClient? {
        let key = "\(origin.scheme.rawValue)://\(origin.hostAndPort)"
        return state.withLock { state in
            guard !state.isClosed else { return nil }
            if let client = state.clients[key] { return client }
            var http = configuration.http
            http.receiveBufferBytes = Self.receiveBufferBytes
            let client = HTTPClient(origin: origin, group: group, configuration: http, logger: logger)
            state.clients[key] = client
            return client
        }
    }

    /// Ends the connections once their requests have ended. Later requests fail.
    func close() async {
        let clients = state.withLock { state in
            state.isClosed = true
            return state.clients.values
        }
        for client in clients { await client.close() }
    }
}
