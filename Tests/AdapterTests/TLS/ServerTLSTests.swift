import Adapters
import Foundation
import NIOCore
import NIOPosix
import Testing

@Suite("TLS server", .timeLimit(.minutes(10)))
struct ServerTLSTests {
    /// Answers with the names in the client certificate.
    private static let names = ScriptedHandler { request in
        .now(.text(request.peer.certificateNames.joined(separator: " ") + "\n"))
    }

    private static func sClient(_ port: Int, _ options: String..., input: String = "Q\n") async -> String {
        let arguments = options.map { "'\($0)'" }.joined(separator: " ")
        let outcome = await TestProcess.run(
            "sh", ["-c", "printf '\(input)' | openssl s_client -connect 127.0.0.1:\(port) \(arguments) 2>&1"])
        return outcome.output
    }

    private static func curl(_ port: Int, _ options: String...) async -> TestProcess.Outcome {
        await TestProcess.run(
            "curl", ["--silent", "--show-error"] + options + ["https://localhost:\(port)/"])
    }

    @Test("only TLS 1.2 and 1.3 are accepted, with ciphers that HTTP/2 allows")
    func versions() async throws {
        try await TestCertificates.with { certificates in
            try await withServer(Self.names, tls: .test(certificates.server)) { server in
                #expect(await Self.sClient(server.port, "-tls1_3").contains("New, TLSv1.3, Cipher is TLS_"))
                #expect(await Self.sClient(server.port, "-tls1_2").contains("New, TLSv1.2, Cipher is ECDHE-"))
                // Security level 0, so that the client offers old versions at all.
                for old in ["-tls1_1", "-tls1"] {
                    #expect(
                        await Self.sClient(server.port, old, "-cipher", "ALL:@SECLEVEL=0").contains(
                            "alert protocol version"))
                }
                for weak in ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"] {
                    #expect(
                        await Self.sClient(server.port, "-tls1_2", "-cipher", weak).contains("handshake failure"))
                }
            }
        }
    }

    @Test("AES-128 is chosen whatever the client prefers, and AES-256 if the client offers only that")
    func ciphers() async throws {
        try await TestCertificates.with { certificates in
            try await withServer(Self.names, tls: .test(certificates.server)) { server in
                let (short, long) = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")
                for (offered, chosen) in [("\(long):\(short)", short), (long, long)] {
                    let output = await Self.sClient(server.port, "-tls1_3", "-ciphersuites", offered)
                    #expect(output.contains("Cipher is \(chosen)"))
                }
                let (old, oldLong) = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384")
                for (offered, chosen) in [("\(oldLong):\(old)", old), (oldLong, oldLong)] {
                    let output = await Self.sClient(server.port, "-tls1_2", "-cipher", offered)
                    #expect(output.contains("Cipher is \(chosen)"))
                }
            }
        }
    }

    @Test("a flood of TLS key updates closes the connection")
    func keyUpdates() async throws {
        try await TestCertificates.with { certificates in
            let defences = DefenceLog(logger: .silent)
            var limits = Limits()
            limits.overheadBytesMax = 5000
            try await withServer(
                Self.names, limits: limits, tls: .test(certificates.server), defences: defences
            ) { server in
                // One line per key update, slowly, or openssl merges them. The loop ends when openssl has exited.
                let outcome = await TestProcess.run(
                    "sh",
                    [
                        "-c",
                        "(while echo k; do sleep 0.002; done) 2>/dev/null"
                            + " | openssl s_client -quiet -no_ign_eof -alpn h2 -connect 127.0.0.1:\(server.port) 2>&1",
                    ])
                let updates = outcome.output.ranges(of: "KEYUPDATE").count
                #expect(updates > 10 && updates < 1000)
                #expect(defences.count(of: .overhead) == 1)
            }
        }
    }

    @Test("ALPN prefers h2 to http/1.1 and refuses others; without ALPN the connection uses HTTP/1.1")
    func applicationProtocols() async throws {
        try await TestCertificates.with { certificates in
            try await withServer(Self.names, tls: .test(certificates.server)) { server in
                #expect(await Self.sClient(server.port, "-alpn", "http/1.1,h2").contains("ALPN protocol: h2"))
                #expect(await Self.sClient(server.port, "-alpn", "http/1.1").contains("ALPN protocol: http/1.1"))
                #expect(await Self.sClient(server.port, "-alpn", "spdy/3").contains("alert no application protocol"))
                let silent = await Self.curl(server.port, "--cacert", certificates.ca, "--no-alpn", "-i")
                #expect(silent.output.hasPrefix("HTTP/1.1 200 "))
                let preface = await Self.sClient(
                    server.port, "-quiet", input: "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n")
                #expect(!preface.contains("HTTP/1.1"))
            }
        }
    }

    @Test("connections with any SNI or none are accepted")
    func serverName() async throws {
        try await TestCertificates.with { certificates in
            try await withServer(Self.names, tls: .test(certificates.server)) { server in
                #expect(await Self.sClient(server.port, "-noservername").contains("New, TLSv1.3"))
                #expect(await Self.sClient(server.port, "-servername", "elsewhere.example").contains("New, TLSv1.3"))
            }
        }
    }

    @Test("renegotiation is refused")
    func renegotiation() async throws {
        try await TestCertificates.with { certificates in
            try await withServer(Self.names, tls: .test(certificates.server)) { server in
                let output = await Self.sClient(server.port, "-tls1_2", input: "R\\n")
                #expect(output.contains("RENEGOTIATING") && output.contains("no renegotiation"), "\(output)")
            }
        }
    }

    @Test("session tickets resume sessions", arguments: ["-tls1_3", "-tls1_2"])
    func tickets(version: String) async throws {
        try await TestCertificates.with { certificates in
            try await withServer(Self.names, tls: .test(certificates.server)) { server in
                let session = certificates.folder + "/session"
                // In TLS 1.3 the tickets arrive before the response.
                let request = "GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"
                let first = await Self.sClient(server.port, version, "-sess_out", session, "-ign_eof", input: request)
                #expect(first.contains("New, TLSv1"))
                let second = await Self.sClient(server.port, version, "-sess_in", session, "-ign_eof", input: request)
                #expect(second.contains("Reused, TLSv1"))
            }
        }
    }

    @Test("ticket keys rotate, and tickets of the two previous keys are accepted")
    func ticketKeys() throws {
        let keys = TicketKeys(rotatesEvery: .hours(12))
        let start = NIODeadline.now()
        func name(_ hours: Int64) -> [UInt8] { keys.current(at: start + .hours(hours)).name }
        let first = name(1)
        #expect(name(11) == first)
        let second = name(13)
        let third = name(26)
        #expect(Set([first, second, third]).count == 3)
        for (key, isOld) in [(first, true), (second, true), (third, false)] {
            let found = try #require(keys.key(named: key, at: start + .hours(27)))
            #expect(found.key.name == key && found.isOld == isOld)
        }
        _ = name(39)
        #expect(keys.key(named: first, at: start + .hours(39)) == nil)
        // An old key is not used again, even if no newer key exists.
        #expect(keys.key(named: third, at: start + .hours(100)) == nil)
    }

    // MARK: Client certificates

    @Test("only clients with a certificate of the configured authority are accepted, and their names are known")
    func clientCertificates() async throws {
        try await TestCertificates.with { certificates in
            var files = certificates.server
            files.clientCA = certificates.ca
            try await withServer(Self.names, tls: .test(files)) { server in
                func curl(_ client: ServerCertificate.Files?, _ options: String...) async -> TestProcess.Outcome {
                    let shown = client.map { ["--cert", $0.certificate, "--key", $0.key] } ?? []
                    return await TestProcess.run(
                        "curl",
                        ["--silent", "--show-error", "--cacert", certificates.ca] + shown + options
                            + ["https://localhost:\(server.port)/"])
                }
                for version in ["--http2", "--http1.1"] {
                    let outcome = await curl(certificates.client, version)
                    #expect(outcome.output == "URI:spiffe://example/reports DNS:reports.example\n", "\(outcome.errors)")
                }
                for client in [nil, certificates.unknownClient] {
                    let outcome = await curl(client)
                    #expect(outcome.status != 0 && outcome.output.isEmpty)
                }
            }
        }
    }

    @Test("sessions with client certificates are not resumed, so that each certificate is verified")
    func clientCertificatesEachTime() async throws {
        try await TestCertificates.with { certificates in
            var files = certificates.server
            files.clientCA = certificates.ca
            try await withServer(Self.names, tls: .test(files)) { server in
                let session = certificates.folder + "/session"
                let client = certificates.client
                let request = "GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"
                _ = await Self.sClient(
                    server.port, "-cert", client.certificate, "-key", client.key, "-sess_out", session, "-ign_eof",
                    input: request)
                #expect(!FileManager.default.fileExists(atPath: session))
            }
        }
    }

    // MARK: Files

    @Test("an unusable file is reported with its path and cause")
    func files() async throws {
        try await TestCertificates.with { certificates in
            try write("no certificate", to: certificates.folder + "/text")
            var files = certificates.server
            files.key = certificates.stranger.key
            let mismatch = TLSFailure.keyMismatch(key: files.key, certificate: files.certificate)
            #expect(throws: mismatch) { try ServerCertificate.test(files) }
            let expired = certificates.expired
            #expect(throws: TLSFailure.certificateExpired(path: expired.certificate)) {
                try ServerCertificate.test(expired)
            }
            for path in ["/nonexistent", certificates.folder + "/text"] {
                for part in [\ServerCertificate.Files.certificate, \.key] {
                    var files = certificates.server
                    files[keyPath: part] = path
                    let failure = #expect(throws: TLSFailure.self) { try ServerCertificate.test(files) }
                    #expect(failure?.description.hasPrefix("\(path) cannot be used: ") == true)
                }
                var files = certificates.server
                files.clientCA = path
                #expect(throws: TLSFailure.self) { try ServerCertificate.test(files) }
            }
        }
    }

    @Test(
        "each kind of unusable TLS file has its own error text",
        arguments: [
            (TLSFailure.File.certificate, "certificate"), (.key, "private key"), (.trust, "certificate"),
        ])
    func reasons(file: TLSFailure.File, content: String) async throws {
        try await TestCertificates.with { certificates in
            try write("", to: certificates.folder + "/empty")
            try write("no PEM", to: certificates.folder + "/text")
            let none = "it contains no \(content) in PEM format"
            var reasons = [
                "/nonexistent": "No such file or directory", "/empty": none, "/text": none,
                file == .key ? "/ca.pem" : "/ca.key": none,
            ]
            if file == .key {
                reasons["/encrypted.key"] =
                    "the key is encrypted, and encrypted keys are not supported: decrypt it by openssl pkey"
            }
            for (name, reason) in reasons {
                var files = certificates.server
                let path = certificates.folder + name
                switch file {
                case .certificate: files.certificate = path
                case .key: files.key = path
                case .trust: files.clientCA = path
                }
                let expected = TLSFailure.file(file, path: path, problem: reason)
                #expect(throws: expected) { try ServerCertificate.test(files) }
            }
        }
    }

    @Test("a trust file with only the issuing intermediate is sufficient for clients and servers")
    func intermediateAlone() async throws {
        try await TestCertificates.with { certificates in
            for trusted in [certificates.intermediate, certificates.ca] {
                var files = certificates.chained
                files.clientCA = trusted
                try await withServer(Self.names, tls: .test(files)) { server in
                    let client = certificates.chained
                    let answered = await Self.curl(
                        server.port, "--cacert", trusted, "--cert", client.certificate, "--key", client.key)
                    #expect(answered.output == "DNS:localhost IP:127.0.0.1\n", "\(answered.errors)")
                    let stranger = certificates.unknownClient
                    #expect(
                        await Self.curl(
                            server.port, "--cacert", trusted, "--cert", stranger.certificate, "--key", stranger.key
                        ).status != 0)
                }
                try await withServer(Self.names, tls: .test(certificates.chained)) { server in
                    var configuration = HTTPClient.Configuration.longTimeouts
                    configuration.tls = try TLSContext(clientTrusting: trusted)
                    let client = HTTPClient(
                        origin: Origin(scheme: .https, host: "127.0.0.1", port: server.port), group: .singleton,
                        configuration: configuration, logger: .silent)
                    let request = ClientRequest(
                        method: "GET", scheme: "https", authority: client.origin.authority, target: "/")
                    let response = try await client.exchange(request, bodyBytesMax: 1000, timeout: .minutes(5))
                    #expect(response.status == 200)
                    await client.close()
                }
            }
        }
    }

    @Test(
        "names in client certificates are reported in canonical form")
    func canonicalNames() async throws {
        try await TestCertificates.with { certificates in
            var files = certificates.server
            files.clientCA = certificates.ca
            try await withServer(Self.names, tls: .test(files)) { server in
                let client = certificates.named
                let answered = await Self.curl(
                    server.port, "--cacert", certificates.ca, "--cert", client.certificate, "--key", client.key)
                #expect(
                    answered.output
                        == "DNS:reports.example URI:spiffe://example/Reports email:Jobs@example.com IP:2001:db8::7 IP:192.0.2.7\n",
                    "\(answered.errors)")
            }
        }
    }

    private static func subject(_ port: Int) async -> String {
        let output = await sClient(port)
        return output.split(separator: "\n").first { $0.hasPrefix("subject=") }.map(String.init) ?? output
    }

    @Test("changed certificate files are used for new connections, and open connections continue")
    func reload() async throws {
        try await TestCertificates.with { certificates in
            let reloaded = Event<Void>()
            let certificate = try ServerCertificate(
                certificates.server, eventLoop: testEventLoop,
                logger: .announcing("reloaded the TLS certificate", reloaded))
            let (body, release) = (Event<Void>(), Event<Void>())
            let handler = ScriptedHandler { _ in
                .stream(HTTPResponse(status: 200)) { writer in
                    try? await writer.write(ByteBuffer(string: "before\n"))
                    body.fire()
                    try? await release.next()
                    try? await writer.write(ByteBuffer(string: "after\n"))
                    return .complete
                }
            }
            let server = try await HTTPServer(
                host: "127.0.0.1", port: 0, group: .singleton, handler: handler,
                configuration: .test(tls: certificate), logger: .silent)
            try await withServices([certificate, server]) {
                let open = TestProcess(
                    "curl",
                    ["--silent", "--no-buffer", "--cacert", certificates.ca, "https://localhost:\(server.port)/"])
                try await body.next()
                #expect(await Self.subject(server.port) == "subject=CN = server")
                try await certificates.renewServer()
                try await reloaded.next()
                #expect(await Self.subject(server.port) == "subject=CN = renewed")
                release.fire()
                #expect(await open.outcome().output == "before\nafter\n")
            }
        }
    }

    @Test("certificate files are reloaded when a symbolic link is swapped, as in Kubernetes")
    func swappedLink() async throws {
        try await TestCertificates.with { certificates in
            let folder = certificates.folder
            let made = await TestProcess.run(
                "sh",
                [
                    "-c",
                    """
                    set -eu; cd "$1"; mkdir mount mount/..1 mount/..2
                    cp server.pem mount/..1/tls.crt; cp server.key mount/..1/tls.key
                    cp stranger.pem mount/..2/tls.crt; cp stranger.key mount/..2/tls.key
                    cd mount; ln -s ..1 ..data; ln -s ..data/tls.crt tls.crt; ln -s ..data/tls.key tls.key
                    """, "sh", folder,
                ])
            try #require(made.status == 0, "\(made.errors)")
            let reloaded = Event<Void>()
            let certificate = try ServerCertificate(
                ServerCertificate.Files(certificate: folder + "/mount/tls.crt", key: folder + "/mount/tls.key"),
                eventLoop: testEventLoop, logger: .announcing("reloaded the TLS certificate", reloaded))
            let server = try await HTTPServer(
                host: "127.0.0.1", port: 0, group: .singleton, handler: Self.names,
                configuration: .test(tls: certificate), logger: .silent)
            try await withServices([certificate, server]) {
                #expect(await Self.subject(server.port) == "subject=CN = server")
                _ = await TestProcess.run(
                    "sh", ["-c", "cd '\(folder)/mount' && ln -s ..2 ..data_tmp && mv -T ..data_tmp ..data"])
                try await reloaded.next()
                #expect(await Self.subject(server.port) == "subject=CN = stranger")
            }
        }
    }

    @Test("a PROXY protocol header before the TLS handshake gives the client address", arguments: Transport.allCases)
    func proxied(transport: Transport) async throws {
        let handler = ScriptedHandler { request in .now(.text((request.peer.address?.ipAddress ?? "-") + "\n")) }
        try await withServer(
            handler, tls: try await transport.certificate(), proxyProtocolTrusted: "127.0.0.1"
        ) { server in
            let (version, scheme) =
                switch transport {
                case .h2c: ("--http2-prior-knowledge", "http")
                case .h2: ("--http2", "https")
                case .http1: ("--http1.1", "https")
                }
            let url = "\(scheme)://127.0.0.1:\(server.port)/"
            let known = await TestProcess.run("curl", ["-sk", version, "--haproxy-protocol", url])
            #expect(known.output == "127.0.0.1\n", "\(known.errors)")
            let bare = await TestProcess.run("curl", ["-sk", version, url])
            #expect(bare.status != 0 && bare.output.isEmpty)
        }
        // The address of a trusted peer's header is used.
        try await withServer(handler, proxyProtocolTrusted: "127.0.0.0/8") { server in
            try await TextPeer.connected(to: server.port) { peer in
                try await peer.send("PROXY TCP6 2001:db8::7 ::1 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                let response = try await peer.response()
                #expect(response.hasSuffix("2001:db8::7\n"))
            }
        }
    }

    @Test("if the changed files are unusable, the previous certificate stays in use and a warning is logged")
    func brokenReload() async throws {
        try await TestCertificates.with { certificates in
            let failed = Event<Void>()
            let certificate = try ServerCertificate(
                certificates.server, eventLoop: testEventLoop,
                logger: .announcing("the TLS certificate could not be reloaded: the previous one stays in use", failed))
            let server = try await HTTPServer(
                host: "127.0.0.1", port: 0, group: .singleton, handler: Self.names,
                configuration: .test(tls: certificate), logger: .silent)
            try await withServices([certificate, server]) {
                try write("broken", to: certificates.server.certificate)
                try await failed.next()
                #expect(certificate.problem != nil)
                #expect(await Self.subject(server.port) == "subject=CN = server")
            }
        }
    }
}
