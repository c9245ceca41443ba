import NIOCore

/// The interface of an HTTP/1.1 or HTTP/2 connection towards the connection pool. Confined to its event loop.
protocol ClientConnection: AnyObject {
    var applicationProtocol: ApplicationProtocol { get }

    /// Whether the connection can send a request now.
    var acceptsRequests: Bool { get }

    /// Whether a response is pending.
    var hasExchanges: Bool { get }

    /// When data was last received.
    var lastReceived: NIODeadline { get }

    /// Sends the call's request and reports the outcome to the call.
    func send(_ call: ClientCall)

    /// Sends a PING. Calls `answered` once when it is acknowledged, unless the connection ends first.
    func ping(_ answered: @escaping () -> Void)

    /// Accepts no more requests, and closes when the last one has ended.
    func drain()

    func close()
}
