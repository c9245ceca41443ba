/// An error code of RFC 9113, section 7.
package struct HTTP2ErrorCode: RawRepresentable, Sendable, Hashable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let noError = HTTP2ErrorCode(rawValue: 0x0)
    package static let protocolError = HTTP2ErrorCode(rawValue: 0x1)
    package static let internalError = HTTP2ErrorCode(rawValue: 0x2)
    package static let refusedStream = HTTP2ErrorCode(rawValue: 0x7)
    package static let cancel = HTTP2ErrorCode(rawValue: 0x8)
    package static let enhanceYourCalm = HTTP2ErrorCode(rawValue: 0xb)
}

/// Why an exchange did not come to its end.
package enum HTTP2Failure: Error, Sendable, Equatable {
    /// No connection could be made to the peer.
    case notConnected
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

    /// Whether sending the request again cannot make it happen twice.
    package var isUnprocessed: Bool {
        switch self {
        case .notConnected, .unprocessed: true
        case .connectionLost, .resetByPeer, .timedOut, .cancelled, .tooLarge, .malformed: false
        }
    }
}
