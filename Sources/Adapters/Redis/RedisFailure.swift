/// Why a call of Redis has no reply that can be used.
package enum RedisFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// There is no connection, or a cluster cannot run the command now. Nothing has run.
    case unavailable
    /// Too many commands or bytes wait for replies. Nothing was sent.
    case overloaded
    /// There was no reply in time. The command was sent and may have run.
    case timedOut
    /// The connection ended before the reply. The command was sent and may have run.
    case disconnected
    /// Redis answered with an error.
    case refused(RedisErrorReply)
    /// The reply has another type than the caller of the command expects.
    case unexpectedReply
    /// The task was cancelled. The command may have run.
    case cancelled
    /// The client was closed. Nothing was sent.
    case closed

    /// Whether the command may have had an effect.
    ///
    /// A script that was refused may have run in part: an error in its middle does not undo what it wrote before.
    package var mayHaveRun: Bool {
        switch self {
        case .unavailable, .overloaded, .closed: false
        case .timedOut, .disconnected, .refused, .unexpectedReply, .cancelled: true
        }
    }

    package var description: String {
        switch self {
        case .unavailable: "Redis is not connected"
        case .overloaded: "too many commands wait for Redis"
        case .timedOut: "Redis did not answer in time"
        case .disconnected: "the connection to Redis ended before the reply"
        case .refused(let reply): "Redis answered \(reply)"
        case .unexpectedReply: "Redis answered with an unexpected reply"
        case .cancelled: "the call was cancelled"
        case .closed: "the client of Redis is closed"
        }
    }
}
