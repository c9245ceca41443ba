import NIOCore

/// A connection as its pool sees it, whatever it speaks. Confined to its event loop.
protocol ClientConnection: AnyObject {
    var applicationProtocol: ApplicationProtocol { get }

    /// Whether a request can be sent on it now.
    var acceptsRequests: Bool { get }

    /// Whether an answer is still to come on it.
    var hasExchanges: Bool { get }

    /// When something came over it last.
    var lastReceived: NIODeadline { get }

    /// Sends the call's request. What the call came to, it is told.
    func send(_ call: ClientCall)

    /// Asks the peer whether it is there; told once, unless the connection ends first.
    func ping(_ answered: @escaping () -> Void)

    /// Takes no more requests, and closes when the last one has ended.
    func drain()

    func close()
}
