/// Why there is no TLS, or no more of it.
package enum TLSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// A file cannot be used. `problem` is OpenSSL's own word for why, which holds nothing of the file.
    case file(String, problem: String)
    /// The key is not that of the certificate.
    case keyMismatch
    /// The certificate is no longer valid, or not yet.
    case certificateExpired
    case certificateNotYetValid
    /// The handshake failed, for OpenSSL's own word of a reason.
    case handshake(String)
    /// The peer broke TLS after the handshake.
    case broken

    package var description: String {
        switch self {
        case .file(let path, let problem): "\(path) cannot be used: \(problem)"
        case .keyMismatch: "the key is not that of the certificate"
        case .certificateExpired: "the certificate has expired"
        case .certificateNotYetValid: "the certificate is not valid yet"
        case .handshake(let reason): "the TLS handshake failed: \(reason)"
        case .broken: "the peer broke TLS"
        }
    }
}
