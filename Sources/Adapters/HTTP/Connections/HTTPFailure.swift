/// Why an exchange did not come to its end.
package enum HTTPFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// No connection could be made to the peer.
    case notConnected(ConnectFailure)
    /// The connection ended, for whatever reason, while the exchange was under way.
    case connectionLost
    /// The peer ended the stream.
    case resetByPeer(HTTP2ErrorCode)
    /// The peer provably never looked at the request: it may be sent again, even a write (RFC 9113, 8.7).
    case unprocessed
    /// The deadline of the exchange passed.
    case timedOut
    /// The task that asked for the exchange was cancelled.
    case cancelled
    /// The peer's message is larger than was allowed.
    case tooLarge
    /// The peer's message breaks HTTP.
    case malformed

    package var description: String {
        switch self {
        case .notConnected(let failure): "\(failure)"
        case .connectionLost: "the connection was lost"
        case .resetByPeer(let code): "the other side reset the stream (error code \(code.rawValue))"
        case .unprocessed: "the other side did not take the request"
        case .timedOut: "there was no answer in time"
        case .cancelled: "the request was cancelled"
        case .tooLarge: "the answer is too large"
        case .malformed: "the answer breaks the rules of HTTP"
        }
    }

    /// For metrics: the closed set of kinds.
    var kind: String {
        switch self {
        case .notConnected: "not-connected"
        case .connectionLost: "connection-lost"
        case .resetByPeer: "reset"
        case .unprocessed: "unprocessed"
        case .timedOut: "timed-out"
        case .cancelled: "cancelled"
        case .tooLarge: "too-large"
        case .malformed: "malformed"
        }
    }

    /// Whether sending the request again cannot make it happen twice.
    package var isUnprocessed: Bool {
        switch self {
        case .notConnected, .unprocessed: true
        case .connectionLost, .resetByPeer, .timedOut, .cancelled, .tooLarge, .malformed: false
        }
    }
}
