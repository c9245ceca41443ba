import CHTTP2

/// The shared configuration of TLS connections (`SSL_CTX`): certificates, verification rules and ticket keys. Immutable.
package final class TLSContext: Sendable {
    /// Created in `init`, freed in `deinit`; connections retain it separately.
    ///
    /// Safe because OpenSSL allows several threads to use a context that is not modified.
    nonisolated(unsafe) let raw: OpaquePointer

    /// Retained here, since OpenSSL holds an unretained pointer to it.
    private let ticketKeys: TicketKeys?

    /// Seconds from creation to the expiry of the certificate; `nil` for a client.
    package let certificateSecondsLeft: Int?

    deinit {
        SSL_CTX_free(raw)
    }

    // MARK: Server

    /// - Parameters:
    ///   - certificateFile: PEM: the certificate followed by its intermediates.
    ///   - keyFile: PEM, unencrypted.
    ///   - clientCAFile: PEM: the authorities of client certificates. If set, clients must present a certificate.
    ///   - ticketKeys: Shared by all contexts of a listener, so that sessions survive a new certificate.
    /// - Throws: `file`, `keyMismatch`, `certificateExpired`, `certificateNotYetValid`.
    package init(
        certificateFile: String, keyFile: String, clientCAFile: String?, ticketKeys: TicketKeys
    ) throws(TLSFailure) {
        raw = Self.make(TLS_server_method())
        self.ticketKeys = ticketKeys
        var secondsLeft = 0
        do throws(TLSFailure) {
            guard SSL_CTX_use_certificate_chain_file(raw, SystemText.cString(of: certificateFile)) == 1 else {
                throw .file(.certificate, path: certificateFile, problem: Self.problem("certificate"))
            }
            try Self.use(key: keyFile, of: certificateFile, raw)
            secondsLeft = try Self.secondsLeft(of: SSL_CTX_get0_certificate(raw), in: certificateFile)
            if let clientCAFile { try Self.require(clientsFrom: clientCAFile, raw) }
        } catch {
            ERR_clear_error()
            certificateSecondsLeft = nil
            throw error
        }
        certificateSecondsLeft = secondsLeft

        var options = shim_SSL_OP_CIPHER_SERVER_PREFERENCE
        shim_SSL_CTX_set_session_cache_mode(raw, Int(SSL_SESS_CACHE_OFF))
        if clientCAFile == nil {
            SSL_CTX_set_ex_data(raw, 0, Unmanaged.passUnretained(ticketKeys).toOpaque())
            SSL_CTX_set_tlsext_ticket_key_evp_cb(raw, TicketKeys.callback)
            // OpenSSL sends two tickets by default. One is enough: a client needs one connection, and each resumed
            // connection gets a new ticket.
            SSL_CTX_set_num_tickets(raw, 1)
        } else {
            // A resumed session would skip the verification of the client certificate, so resumption is disabled.
            options |= shim_SSL_OP_NO_TICKET
            SSL_CTX_set_num_tickets(raw, 0)
        }
        SSL_CTX_set_options(raw, options)
        SSL_CTX_set_alpn_select_cb(
            raw,
            { _, chosen, chosenCount, offered, offeredCount, _ in
                // The chosen name points into one of the two lists; `offered` and `protocols` both outlive the call.
                let status = chosen?.withMemoryRebound(to: UnsafeMutablePointer<UInt8>?.self, capacity: 1) { chosen in
                    SSL_select_next_proto(
                        chosen, chosenCount, TLSContext.protocols.baseAddress, UInt32(TLSContext.protocols.count),
                        offered, offeredCount)
                }
                return status == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL
            }, nil)
    }

    private static func use(
        key keyFile: String, of certificateFile: String, _ raw: OpaquePointer
    ) throws(TLSFailure) {
        let request = PassphraseRequest()
        SSL_CTX_set_default_passwd_cb_userdata(raw, Unmanaged.passUnretained(request).toOpaque())
        // The context outlives `request` and reads no other key.
        defer { SSL_CTX_set_default_passwd_cb_userdata(raw, nil) }
        SSL_CTX_set_default_passwd_cb(raw) { _, _, _, userData in
            // An encrypted key is an error: there is no terminal to ask for a passphrase.
            if let userData {
                Unmanaged<PassphraseRequest>.fromOpaque(userData).takeUnretainedValue().isMade = true
            }
            return -1
        }
        let mismatch = TLSFailure.keyMismatch(key: keyFile, certificate: certificateFile)
        guard SSL_CTX_use_PrivateKey_file(raw, SystemText.cString(of: keyFile), SSL_FILETYPE_PEM) == 1 else {
            if isMismatch(ERR_peek_error()) { throw mismatch }
            let problem =
                request.isMade
                ? "the key is encrypted, and encrypted keys are not supported: decrypt it by openssl pkey"
                : problem("private key")
            throw .file(.key, path: keyFile, problem: problem)
        }
        guard SSL_CTX_check_private_key(raw) == 1 else { throw mismatch }
    }

    private static func require(clientsFrom file: String, _ raw: OpaquePointer) throws(TLSFailure) {
        guard SSL_CTX_load_verify_file(raw, SystemText.cString(of: file)) == 1,
            let names = SSL_load_client_CA_file(SystemText.cString(of: file))
        else {
            throw .file(.trust, path: file, problem: Self.problem("certificate"))
        }
        Self.acceptIntermediates(raw)
        // The context takes ownership of the list.
        SSL_CTX_set_client_CA_list(raw, names)
        SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        SSL_CTX_set_verify_depth(raw, 4)
    }

    private static func secondsLeft(of certificate: OpaquePointer?, in file: String) throws(TLSFailure) -> Int {
        guard X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 else {
            throw .certificateNotYetValid(path: file)
        }
        var days: Int32 = 0
        var seconds: Int32 = 0
        guard ASN1_TIME_diff(&days, &seconds, nil, X509_get0_notAfter(certificate)) == 1, days >= 0, seconds >= 0,
            days > 0 || seconds > 0
        else { throw .certificateExpired(path: file) }
        return Int(days) * 86_400 + Int(seconds)
    }

    // MARK: Client

    /// - Parameters:
    ///   - caFile: PEM: the trusted authorities; `nil` for the system's.
    ///   - protocols: The protocols offered by ALPN, in the order of preference.
    /// - Throws: `file`.
    package init(
        clientTrusting caFile: String?, offering protocols: [ApplicationProtocol] = [.http2, .http1]
    ) throws(TLSFailure) {
        raw = Self.make(TLS_client_method())
        ticketKeys = nil
        certificateSecondsLeft = nil
        let isLoaded =
            if let caFile { SSL_CTX_load_verify_file(raw, SystemText.cString(of: caFile)) } else {
                SSL_CTX_set_default_verify_paths(raw)
            }
        guard isLoaded == 1 else {
            throw .file(
                .trust, path: caFile ?? "the system's certificate store", problem: Self.problem("certificate"))
        }
        if caFile != nil { Self.acceptIntermediates(raw) }
        SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nil)
        let list = Self.list(of: protocols)
        SSL_CTX_set_alpn_protos(raw, list, UInt32(list.count))
    }

    // MARK: Shared

    /// Accepts an intermediate certificate of the file as trust anchor, so that a chain need not end at a root.
    private static func acceptIntermediates(_ raw: OpaquePointer) {
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(raw), UInt(X509_V_FLAG_PARTIAL_CHAIN))
    }

    /// The reason why a file with `content` could not be loaded.
    private static func problem(_ content: String) -> String {
        let code = ERR_peek_error()
        let holdsNone =
            ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE
            || ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER
            || ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_NO_CERTIFICATE_OR_CRL_FOUND
        guard holdsNone else { return OpenSSLError.take() }
        ERR_clear_error()
        return "it contains no \(content) in PEM format"
    }

    private static func isMismatch(_ code: UInt) -> Bool {
        ERR_GET_LIB(code) == ERR_LIB_X509
            && [X509_R_KEY_VALUES_MISMATCH, X509_R_KEY_TYPE_MISMATCH].contains(ERR_GET_REASON(code))
    }

    /// Encodes an ALPN protocol list (RFC 7301, 3.1).
    private static func list(of protocols: [ApplicationProtocol]) -> [UInt8] {
        protocols.flatMap { [UInt8($0.rawValue.utf8.count)] + Array($0.rawValue.utf8) }
    }

    /// The server's ALPN list, in the order of preference.
    ///
    /// Safe because it is initialised once before its first use and never changed or freed.
    nonisolated(unsafe) private static let protocols: UnsafeBufferPointer<UInt8> = {
        let list = TLSContext.list(of: [.http2, .http1])
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: list.count)
        _ = copy.initialize(from: list)
        return UnsafeBufferPointer(copy)
    }()

    private static func make(_ method: OpaquePointer?) -> OpaquePointer {
        guard let raw = SSL_CTX_new(method) else { preconditionFailure("no memory") }
        // AES-128 with SHA-256 comes first: most processors compute it faster than AES-256 with SHA-384. HTTP/2 prohibits many
        // cipher suites of TLS 1.2 (RFC 9113, appendix A), but none of these, and none of TLS 1.3.
        let isSet =
            shim_SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) == 1
            && SSL_CTX_set_ciphersuites(
                raw, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1
            && SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20") == 1
            && shim_SSL_CTX_set1_groups_list(raw, "X25519:P-256:P-384") == 1
        precondition(isSet, "this OpenSSL lacks the TLS versions, ciphers or groups that HTTP/2 needs")
        SSL_CTX_set_security_level(raw, 2)
        SSL_CTX_set_options(raw, shim_SSL_OP_NO_RENEGOTIATION | shim_SSL_OP_NO_COMPRESSION)
        // Frees the record buffers of idle connections, 34 KiB each.
        shim_SSL_CTX_set_mode(raw, Int(SSL_MODE_RELEASE_BUFFERS))
        // Takes the header and the text of a record from the session in one step.
        shim_SSL_CTX_set_read_ahead(raw, 1)
        shim_SSL_CTX_set_max_cert_list(raw, 16_384)
        return raw
    }
}

/// Records whether OpenSSL asked for a passphrase while reading a key.
private final class PassphraseRequest {
    var isMade = false
}
