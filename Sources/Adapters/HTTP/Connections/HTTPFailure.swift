/// The reason why an exchange failed.
package enum HTTPFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// Connecting to the peer failed.
    case notConnected(ConnectFailure)
    /// The connection ended during the exchange.
    case connectionLost
    /// The peer reset the stream.
    case resetByPeer(HTTP2ErrorCode)
    /// The peer did not process the request, so it may be retried even if it is not idempotent (RFC 9113, 8.7).
    case unprocessed
    /// The deadline of the exchange passed.
    case timedOut
    /// The task that waited for the exchange was cancelled.
    case cancelled
    /// The peer's message exceeds the size limit.
    case tooLarge
    /// The peer's message is not valid HTTP.
    case malformed

    package var description: String {
        switch self {
        case .notConnected(let failure): "\(failure)"
        case .connectionLost: "the connection was lost"
        case .resetByPeer(let code): "the peer reset the stream (error code \(code.rawValue))"
        case .unprocessed: "the peer did not process the request"
        case .timedOut: "the response did not arrive in time"
        case .cancelled: "the request was cancelled"
        case .tooLarge: "the response is too large"
        case .malformed: "the response is not valid HTTP"
        }
    }

    /// The failure kind as a metric label.
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

    /// Whether a retry cannot execute the request twice.
    package var isUnprocessed: Bool {
        switch self {
        case .notConnected, .unprocessed: true
        case .connectionLost, .resetByPeer, .timedOut, .cancelled, .tooLarge, .malformed: false
        }
    }
}
