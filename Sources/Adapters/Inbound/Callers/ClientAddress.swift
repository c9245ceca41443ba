import NIOCore

/// Determines a client's address, through any number of trusted proxies.
struct ClientAddress: Sendable {
    /// Only these may name the client of a connection.
    let trustedProxies: [AddressRange]

    /// The field that they name it in. The other one is ignored.
    let field: ForwardedField.Name

    /// The address of the client of `request`; `nil` if the connection has none.
    func callAsFunction(of request: HTTPRequest) -> SocketAddress? {
        request.peer.address.map { peer in
            guard !trustedProxies.isEmpty else { return peer }
            var forwarded: String?
            var xForwardedFor: String?
            switch field {
            case .forwarded: forwarded = request.fields.list(.forwarded)
            case .xForwardedFor: xForwardedFor = request.fields.list(.xForwardedFor)
            }
            return ForwardedField.client(
                forwarded: forwarded, xForwardedFor: xForwardedFor, from: peer, trusted: trustedProxies)
        }
    }
}
