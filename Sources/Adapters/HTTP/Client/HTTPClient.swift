package import Logging
package import NIOCore
package import NIOPosix

/// An HTTP client for one origin, over one HTTP/2 connection or several HTTP/1.1 connections.
///
/// Connections are opened on demand, and replaced when they are closed, too old, or the origin's addresses change.
/// Redirects are not followed: requests are sent to the origin only.
package final class HTTPClient: Sendable {
    package struct Configuration: Sendable {
        package var limits = Limits()

        /// The timeouts of its connections, such as `idle` and `connectionAge`.
        package var timeouts = Timeouts()

        /// Timeouts for each step of opening a connection.
        package var resolve = TimeAmount.seconds(5)
        package var connect = TimeAmount.seconds(5)
        package var tlsHandshake = TimeAmount.seconds(5)

        /// From sending a request on a connection to the head of its response.
        package var firstByte = TimeAmount.seconds(10)

        /// A connection idle for longer than this is probed by PING before the next request; an HTTP/1.1 connection is
        /// replaced.
        package var idleProbeAfter = TimeAmount.seconds(30)

        /// How long to wait for the acknowledgement of that PING.
        package var idleProbeTimeout = TimeAmount.seconds(2)

        /// How often the origin is resolved again while a connection is in use. A connection to an address that is no
        /// longer listed is drained.
        package var resolveEvery = TimeAmount.seconds(60)

        /// The maximum number of HTTP/1.1 connections, each of which carries one request at a time.
        package var http1ConnectionsMax = 16

        /// The HTTP version of clear-text connections, which have no ALPN.
        package var clearProtocol = ApplicationProtocol.http2

        /// The size of a connection's receive buffer (SO_RCVBUF); `nil` for the system's default, which grows to megabytes.
        /// All that it holds is read at once when the peer closes the connection, though a reader is behind.
        package var receiveBufferBytes: Int?

        /// The maximum number of requests waiting for a connection.
        package var waitingMax = 1024

        /// The TLS configuration; required for https.
        package var tls: TLSContext?

        /// The proxies for https connections.
        package var proxies = ForwardProxies.none

        package var lookup: AddressLookup = .system

        package init() {
            // Zoom's edge and intermediate balancers close idle connections after a minute or more.
            timeouts.idle = .seconds(50)
            timeouts.connectionAge = .minutes(10)
        }
    }

    package let origin: Origin
    private let eventLoop: any EventLoop
    private let pool: NIOLoopBoundBox<ConnectionPool>

    package init(
        origin: Origin, group: MultiThreadedEventLoopGroup, configuration: Configuration = Configuration(),
        logger: Logger
    ) {
        self.origin = origin
        eventLoop = group.next()
        let pool = ConnectionPool(
            origin: origin, eventLoop: eventLoop, configuration: configuration, logger: logger)
        self.pool = NIOLoopBoundBox.makeBoxSendingValue(pool, eventLoop: eventLoop)
    }

    /// Sends `request` and waits for the complete response. An unprocessed request is retried on another connection, up to
    /// three attempts in total.
    ///
    /// - Parameters:
    ///   - bodyBytesMax: The maximum size of the response body, before and after decompression.
    ///   - timeout: From now to the end of the response.
    /// - Throws: `HTTPFailure`; its `isUnprocessed` says whether a retry is safe for any method.
    package func exchange(
        _ request: ClientRequest, bodyBytesMax: Int, timeout: TimeAmount
    ) async throws(HTTPFailure) -> ClientResponse {
        try await submit { eventLoop, continuation in
            WholeCall(
                request, bodyBytesMax: bodyBytesMax, timeout: timeout, eventLoop: eventLoop, continuation: continuation)
        }
    }

    /// Sends `request` and waits for the head of the response, whose body is then read in pieces. An unprocessed request is
    /// retried as by `exchange`. The connection is in use until the body ends.
    ///
    /// The body is not decompressed: the request should accept no content coding.
    ///
    /// - Parameters:
    ///   - headTimeout: From now to the head of the response.
    ///   - silenceMax: How long a reader of the body waits for the next bytes.
    /// - Throws: as `exchange`.
    package func stream(
        _ request: ClientRequest, headTimeout: TimeAmount, silenceMax: TimeAmount
    ) async throws(HTTPFailure) -> StreamedResponse {
        try await submit { eventLoop, continuation in
            StreamedCall(
                request, headTimeout: headTimeout, silenceMax: silenceMax, eventLoop: eventLoop,
                continuation: continuation)
        }
    }

    private func submit<Answer: Sendable>(
        _ makeCall:
            @escaping @Sendable (
                any EventLoop, CheckedContinuation<Result<Answer, HTTPFailure>, Never>
            ) -> ClientCall
    ) async throws(HTTPFailure) -> Answer {
        // Submission and cancellation may reach the loop in either order.
        let submission = NIOLoopBoundBox<Submission>.makeBoxSendingValue(.pending, eventLoop: eventLoop)
        let pool = pool
        let eventLoop = eventLoop
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                eventLoop.runInLoop {
                    let call = makeCall(eventLoop, continuation)
                    if case .cancelled = submission.value { return call.fail(.cancelled) }
                    submission.value = .submitted(call)
                    pool.value.submit(call)
                }
            }
        } onCancel: {
            eventLoop.execute {
                if case .submitted(let call) = submission.value { call.fail(.cancelled) }
                submission.value = .cancelled
            }
        }
        return try result.get()
    }

    private enum Submission {
        case pending
        case submitted(ClientCall)
        case cancelled
    }

    /// Drains all connections and opens no more. Returns when they are closed.
    package func close() async {
        let pool = pool
        try? await eventLoop.flatSubmit { pool.value.close() }.get()
    }
}
