import NIOCore

/// Determines a client's address, through any number of trusted proxies.
struct ClientAddress: Sendable {
    /// Only these may name the client of a connection.
    let trustedProxies: [AddressRange]

    /// The field that they name it in. The other one is ignored.
    let field: ForwardedField.Name

    /// The address of the client of `request`; `nil` if the connection has none.
    func callAsFunction(of request: HTTPRequest) -> SocketAddress? {
        client(
            of: request.peer, forwarded: request.fields.list(.forwarded),
            xForwardedFor: request.fields.list(.xForwardedFor))
    }

    func callAsFunction(of request: borrowing PlainRequest) -> SocketAddress? {
        client(
            of: request.peer, forwarded: request.string(.forwarded), xForwardedFor: request.string(.xForwardedFor))
    }

    private func client(
        of peer: PeerInfo, forwarded: @autoclosure () -> String?, xForwardedFor: @autoclosure () -> String?
    ) -> SocketAddress? {
        peer.address.map { peer in
            guard !trustedProxies.isEmpty else { return peer }
            let (forwarded, xForwardedFor): (String?, String?) =
                switch field {
                case .forwarded: (forwarded(), nil)
                case .xForwardedFor: (nil, xForwardedFor())
                }
            return ForwardedField.client(
                forwarded: forwarded, xForwardedFor: xForwardedFor, from: peer, trusted: trustedProxies)
        }
    }
}
