/// Why there is no TLS, or no more of it.
package enum TLSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// A file cannot be used. `problem` is OpenSSL's own word for why, which holds nothing of the file.
    case file(String, problem: String)
    /// The key is not that of the certificate.
    case keyMismatch
    /// The certificate is no longer valid, or not yet.
    case certificateExpired
    case certificateNotYetValid
    /// The peer's certificate comes from nobody who is trusted, in OpenSSL's words.
    case peerUntrusted(String)
    case peerExpired
    case peerNotYetValid
    /// The peer's certificate is for another host.
    case peerNameMismatch
    /// The peer's certificate may not be used for another reason, in OpenSSL's words.
    case peerInvalid(String)
    /// The peer's first bytes are not TLS.
    case peerSpeaksNoTLS
    /// The handshake failed, in OpenSSL's words.
    case handshake(String)
    /// The peer broke TLS after the handshake.
    case broken

    package var description: String {
        switch self {
        case .file(let path, let problem): "\(path) cannot be used: \(problem)"
        case .keyMismatch: "the key is not that of the certificate"
        case .certificateExpired: "the certificate has expired"
        case .certificateNotYetValid: "the certificate is not valid yet"
        case .peerUntrusted(let reason): "the certificate of the other side is not trusted (\(reason))"
        case .peerExpired: "the certificate of the other side has expired"
        case .peerNotYetValid: "the certificate of the other side is not valid yet"
        case .peerNameMismatch: "the certificate of the other side is for another host name"
        case .peerInvalid(let reason): "the certificate of the other side cannot be used (\(reason))"
        case .peerSpeaksNoTLS: "the other side does not speak TLS"
        case .handshake(let reason): "the TLS handshake failed: \(reason)"
        case .broken: "the peer broke TLS"
        }
    }
}
