/// The reason why TLS could not be set up or failed.
package enum TLSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum File: Sendable, Equatable {
        case certificate
        case key
        /// Certificates of trusted authorities.
        case trust
    }

    /// A file cannot be used. `problem` contains no part of its content.
    case file(File, path: String, problem: String)
    /// The private key does not match the certificate.
    case keyMismatch(key: String, certificate: String)
    case certificateExpired(path: String)
    case certificateNotYetValid(path: String)
    /// The peer's certificate is not issued by a trusted authority; the text is OpenSSL's.
    case peerUntrusted(String)
    case peerExpired
    case peerNotYetValid
    /// The peer's certificate is for another host.
    case peerNameMismatch
    /// The peer's certificate is invalid for another reason; the text is OpenSSL's.
    case peerInvalid(String)
    /// The peer's first bytes are not TLS.
    case peerSpeaksNoTLS
    /// The handshake failed; the text is OpenSSL's.
    case handshake(String)
    /// The peer violated TLS after the handshake.
    case broken

    /// The unusable file; `nil` for failures of a connection.
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
        case .broken: "the peer violated the TLS protocol"
        }
    }
}
