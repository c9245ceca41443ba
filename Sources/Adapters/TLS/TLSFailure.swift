/// Why there is no TLS, or no more of it.
package enum TLSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum File: Sendable, Equatable {
        case certificate
        case key
        /// Certificates whose holders are believed.
        case trust
    }

    /// A file cannot be used. `problem` holds nothing of what is in it.
    case file(File, path: String, problem: String)
    /// The key is not that of the certificate.
    case keyMismatch(key: String, certificate: String)
    /// The certificate is no longer valid, or not yet.
    case certificateExpired(path: String)
    case certificateNotYetValid(path: String)
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

    /// Which file cannot be used, if it is a file.
    package var file: File? {
        switch self {
        case .file(let file, _, _): file
        case .keyMismatch: .key
        case .certificateExpired, .certificateNotYetValid: .certificate
        case .peerUntrusted, .peerExpired, .peerNotYetValid, .peerNameMismatch, .peerInvalid, .peerSpeaksNoTLS,
            .handshake,
            .broken:
            nil
        }
    }

    package var description: String {
        switch self {
        case .file(_, let path, let problem): "\(path) cannot be used: \(problem)"
        case .keyMismatch(let key, let certificate): "\(key) is not the key of the certificate in \(certificate)"
        case .certificateExpired(let path): "the certificate in \(path) has expired"
        case .certificateNotYetValid(let path): "the certificate in \(path) is not valid yet"
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
