package import Logging
package import NIOCore
package import NIOPosix

/// Sends requests to one origin: over one HTTP/2 connection, or over some of HTTP/1.1 where the origin has no better.
/// Connections are made when they are needed, and again when they are gone, too old, or the origin has moved.
///
/// Redirects are answers like others: nothing is sent anywhere but to the origin.
package final class HTTPClient: Sendable {
    package struct Configuration: Sendable {
        package var limits = Limits()

        /// Those of its connections; `idle` and `connectionAge` among them.
        package var timeouts = Timeouts()

        /// Each for its own step of making a connection.
        package var resolve = TimeAmount.seconds(5)
        package var connect = TimeAmount.seconds(5)
        package var tlsHandshake = TimeAmount.seconds(5)

        /// From handing a request to a connection to the head of its answer.
        package var firstByte = TimeAmount.seconds(10)

        /// A connection that was quiet for so long is asked whether it is there before it gets a request; one of
        /// HTTP/1.1, which cannot be asked, is given up.
        package var quiet = TimeAmount.seconds(30)

        /// How long it may take to answer.
        package var quietAnswer = TimeAmount.seconds(2)

        /// How often the origin's addresses are asked for while a connection is in use. One that has left them gets no
        /// more requests.
        package var resolveEvery = TimeAmount.seconds(60)

        /// Connections of HTTP/1.1 at a time, each of which carries one request.
        package var http1ConnectionsMax = 16

        /// What is spoken in clear text, where nothing is agreed on.
        package var clearProtocol = ApplicationProtocol.http2

        /// Requests that may wait for a connection.
        package var waitingMax = 1024

        /// What certificates of the origin are held to; needed for https.
        package var tls: TLSContext?

        /// What https connections go through.
        package var proxies = ForwardProxies.none

        package var lookup: AddressLookup = .system

        package init() {
            // Zoom's edge and the balancers on the way close theirs after a minute or more.
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

    /// Sends `request` and waits for the whole response. A request that provably reached nobody is sent again, on
    /// another connection, a few times.
    ///
    /// - Parameters:
    ///   - bodyBytesMax: The largest response body taken, before and after it is decompressed.
    ///   - timeout: From now to the end of the response.
    /// - Throws: `HTTPFailure`; its `isUnprocessed` says whether the request may be sent again whatever it does.
    package func exchange(
        _ request: ClientRequest, bodyBytesMax: Int, timeout: TimeAmount
    ) async throws(HTTPFailure) -> ClientResponse {
        // The loop hears of the request and of its task's end in either order.
        let asking = NIOLoopBoundBox<Asking>.makeBoxSendingValue(.notYet, eventLoop: eventLoop)
        let pool = pool
        let eventLoop = eventLoop
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                eventLoop.runInLoop {
                    let call = ClientCall(
                        request, bodyBytesMax: bodyBytesMax, timeout: timeout, eventLoop: eventLoop,
                        continuation: continuation)
                    if case .cancelled = asking.value { return call.fail(.cancelled) }
                    asking.value = .begun(call)
                    pool.value.submit(call)
                }
            }
        } onCancel: {
            eventLoop.execute {
                if case .begun(let call) = asking.value { call.fail(.cancelled) }
                asking.value = .cancelled
            }
        }
        return try result.get()
    }

    private enum Asking {
        case notYet
        case begun(ClientCall)
        case cancelled
    }

    /// Ends the connections once the requests on them have ended, and makes no other.
    package func close() async {
        let pool = pool
        try? await eventLoop.flatSubmit { pool.value.close() }.get()
    }
}
