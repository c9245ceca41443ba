import CHTTP2
import NIOCore

/// An OpenSSL session (`SSL`) for one connection. Confined to the event loop of its `TLSHandler`.
///
/// A custom BIO connects OpenSSL with the byte buffers here. That avoids a copy, and an idle connection has no buffers.
final class TLSSession {
    enum Handshake: Equatable {
        case inProgress
        case done
        case failed(TLSFailure)
    }

    enum Read: Equatable {
        /// More data may follow.
        case open
        /// The peer sent close_notify.
        case closed
        case failed
    }

    /// Created in `init`, freed in `deinit` together with its BIO.
    private let raw: OpaquePointer
    @exclusivity(unchecked) private var incoming = ByteBuffer()
    @exclusivity(unchecked) private var outgoing = ByteBuffer()

    init(server context: TLSContext) {
        raw = Self.make(context)
        SSL_set_accept_state(raw)
        attach()
    }

    /// - Parameter host: The name or address that the server's certificate must contain.
    init(client context: TLSContext, host: String) {
        raw = Self.make(context)
        SSL_set_connect_state(raw)
        let isAddress = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(raw), host) == 1
        if !isAddress {
            ERR_clear_error()
            SSL_set_hostflags(raw, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            let isSet = SSL_set1_host(raw, host) == 1 && shim_SSL_set_tlsext_host_name(raw, host) == 1
            precondition(isSet, "OpenSSL rejects the host name")
        }
        attach()
    }

    private static func make(_ context: TLSContext) -> OpaquePointer {
        guard let raw = SSL_new(context.raw) else { preconditionFailure("no memory") }
        return raw
    }

    /// Creates one BIO for both directions. `SSL_set_bio` takes ownership of it.
    private func attach() {
        guard let bio = BIO_new(Self.bioMethod) else { preconditionFailure("no memory") }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        SSL_set_bio(raw, bio, bio)
    }

    deinit {
        SSL_free(raw)
    }

    // MARK: Bytes

    /// Adds cipher text received from the peer.
    func feed(_ bytes: ByteBuffer) {
        if incoming.readableBytes == 0 {
            incoming = bytes
        } else {
            incoming.writeImmutableBuffer(bytes)
        }
    }

    /// Removes and returns the cipher text to send; `nil` if there is none.
    func takeOutgoing() -> ByteBuffer? {
        guard outgoing.readableBytes > 0 else { return nil }
        defer { outgoing = ByteBuffer() }
        return outgoing
    }

    /// Whether `outgoing` has no room for another full record.
    var isOutgoingFull: Bool { outgoing.readableBytes > Self.outgoingBytesMax - Self.recordBytesMax }

    /// The size of the buffers in which the cipher text of bulk data is collected.
    private static let outgoingBytesMax = 65_536

    /// A full record of `RecordPlainText` with its header and tag, which have less than 64 bytes in every cipher suite.
    private static let recordBytesMax = RecordPlainText.recordBytesMax + 64

    func handshake() -> Handshake {
        ERR_clear_error()
        let status = SSL_do_handshake(raw)
        guard status != 1 else { return .done }
        switch SSL_get_error(raw, status) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .inProgress
        default: return .failed(handshakeFailure)
        }
    }

    private var handshakeFailure: TLSFailure {
        let verification = SSL_get_verify_result(raw)
        if verification != Int(X509_V_OK), let text = X509_verify_cert_error_string(verification) {
            ERR_clear_error()
            return Self.failure(verification, String(cString: text))
        }
        // OpenSSL reports these reasons if the first bytes are not a TLS record.
        let reason = ERR_peek_error()
        if shim_ERR_GET_REASON(reason) == SSL_R_WRONG_VERSION_NUMBER
            || shim_ERR_GET_REASON(reason) == SSL_R_HTTP_REQUEST
        {
            ERR_clear_error()
            return .peerSpeaksNoTLS
        }
        return .handshake(OpenSSLError.take())
    }

    /// - Parameter text: OpenSSL's text for `verification`.
    private static func failure(_ verification: Int, _ text: String) -> TLSFailure {
        switch Int32(truncatingIfNeeded: verification) {
        case X509_V_ERR_CERT_HAS_EXPIRED: .peerExpired
        case X509_V_ERR_CERT_NOT_YET_VALID: .peerNotYetValid
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .peerNameMismatch
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_CERT_UNTRUSTED,
            X509_V_ERR_INVALID_CA:
            .peerUntrusted(text)
        default: .peerInvalid(text)
        }
    }

    /// Empties the thread's queue of errors, which `SSL_get_error` reads. Checking that it is empty costs less than
    /// emptying it.
    private static func clearErrors() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    /// Decrypts all complete records received so far.
    func read(into plain: inout ByteBuffer) -> Read {
        var state: Read?
        while state == nil {
            // Plain text is never longer than its cipher text.
            plain.writeWithUnsafeMutableBytes(minimumWritableBytes: max(incoming.readableBytes, 512)) { space in
                var count = 0
                Self.clearErrors()
                if SSL_read_ex(raw, space.baseAddress, space.count, &count) == 1 {
                    // Nothing is left to decrypt: another call would only return SSL_ERROR_WANT_READ.
                    if incoming.readableBytes == 0, SSL_has_pending(raw) == 0 { state = .open }
                } else {
                    count = 0
                    switch SSL_get_error(raw, 0) {
                    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: state = .open
                    case SSL_ERROR_ZERO_RETURN: state = .closed
                    default: state = .failed
                    }
                }
                return count
            }
        }
        return state ?? .failed
    }

    /// Encrypts `plain`. Returns `false` if the session has failed.
    func write(_ plain: ByteBuffer) -> Bool {
        // Once, instead of growing step by step.
        if plain.readableBytes == RecordPlainText.recordBytesMax, outgoing.readableBytes == 0 {
            outgoing.reserveCapacity(Self.outgoingBytesMax)
        }
        return plain.withUnsafeReadableBytes { bytes in
            guard !bytes.isEmpty else { return true }
            var written = 0
            Self.clearErrors()
            // The BIO accepts all bytes, so a partial write means that the session has failed.
            return SSL_write_ex(raw, bytes.baseAddress, bytes.count, &written) == 1 && written == bytes.count
        }
    }

    /// Sends close_notify (RFC 8446, 6.1).
    func close() {
        ERR_clear_error()
        // During a handshake SSL_shutdown is an error.
        if SSL_is_init_finished(raw) == 1 { SSL_shutdown(raw) }
        ERR_clear_error()
    }

    // MARK: Handshake results

    var applicationProtocol: ApplicationProtocol? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(raw, &name, &count)
        let text = String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
        return ApplicationProtocol(rawValue: text)
    }

    /// See `PeerInfo.certificateNames`.
    var peerCertificateNames: [String] {
        guard let certificate = SSL_get1_peer_certificate(raw) else { return [] }
        defer { X509_free(certificate) }
        guard let extensions = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
        let names = OpaquePointer(extensions)
        defer { GENERAL_NAMES_free(names) }
        return (0..<shim_sk_GENERAL_NAME_num(names)).compactMap { index in
            guard let name = shim_sk_GENERAL_NAME_value(names, index) else { return nil }
            return Self.text(of: name).map(CertificateName.canonical)
        }
    }

    private static func text(of name: UnsafeMutablePointer<GENERAL_NAME>) -> String? {
        var kind: Int32 = 0
        guard let value = GENERAL_NAME_get0_value(name, &kind) else { return nil }
        // All types below have ASN.1 strings as values.
        func bytes() -> UnsafeBufferPointer<UInt8> {
            let string = value.assumingMemoryBound(to: ASN1_STRING.self)
            return UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string)))
        }
        func text(_ prefix: String) -> String? {
            let bytes = bytes()
            // Only printable ASCII: a NUL or line break in a name is an injection attempt.
            guard bytes.allSatisfy(\.isASCIIVisible) else { return nil }
            return prefix + String(decoding: bytes, as: UTF8.self)
        }
        switch kind {
        case GEN_DNS: return text("DNS:")
        case GEN_URI: return text("URI:")
        case GEN_EMAIL: return text("email:")
        case GEN_IPADD:
            let packed = ByteBuffer(bytes: bytes())
            // Four bytes or sixteen (RFC 5280, 4.2.1.6).
            guard let address = try? SocketAddress(packedIPAddress: packed, port: 0) else { return nil }
            return address.ipAddress.map { "IP:" + $0 }
        default: return nil
        }
    }

    // MARK: The BIO

    /// Safe because it is initialised once before its first use and never changed or freed.
    nonisolated(unsafe) private static let bioMethod: OpaquePointer? = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ByteBuffer")
        BIO_meth_set_create(method) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        BIO_meth_set_read(method) { bio, space, count in
            guard let session = TLSSession.from(bio) else { return -1 }
            return session.bioReads(bio, UnsafeMutableRawBufferPointer(start: space, count: Int(count)))
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let session = TLSSession.from(bio) else { return -1 }
            session.outgoing.writeBytes(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            return count
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in
            command == BIO_CTRL_FLUSH ? 1 : 0
        }
        return method
    }()

    /// The data of a BIO is its unretained session, which frees the BIO in its `deinit`.
    private static func from(_ bio: OpaquePointer?) -> TLSSession? {
        BIO_get_data(bio).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
    }

    private func bioReads(_ bio: OpaquePointer?, _ space: UnsafeMutableRawBufferPointer) -> Int32 {
        shim_BIO_clear_retry_flags(bio)
        guard incoming.readableBytes > 0 else {
            shim_BIO_set_retry_read(bio)
            return -1
        }
        let count = min(space.count, incoming.readableBytes)
        incoming.readWithUnsafeReadableBytes { bytes in
            space.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            return count
        }
        if incoming.readableBytes == 0 { incoming = ByteBuffer() }
        return Int32(count)
    }
}
