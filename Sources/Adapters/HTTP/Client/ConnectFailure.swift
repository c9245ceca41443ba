/// Why no connection was made. Its words go to the log: they hold no secret.
enum ConnectFailure: Error, CustomStringConvertible {
    case unknownHost
    case resolvingTimedOut
    case connectingTimedOut
    case refused
    case proxyRefused
    case tlsTimedOut
    case tls(TLSFailure)
    case lost

    var description: String {
        switch self {
        case .unknownHost: "the host has no address, or none that may be used"
        case .resolvingTimedOut: "its address was not found in time"
        case .connectingTimedOut: "it did not take the connection in time"
        case .refused: "it refused the connection"
        case .proxyRefused: "the proxy refused to connect, or did not answer in time"
        case .tlsTimedOut: "the TLS handshake did not end in time"
        case .tls(let failure): "\(failure)"
        case .lost: "the connection was lost while it was made"
        }
    }
}
