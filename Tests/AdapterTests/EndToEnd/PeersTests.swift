import Adapters
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Third-party clients, load balancers and proxies.
@Suite("Interoperability", .timeLimit(.minutes(10)))
struct PeersTests {
    private static func curl(_ url: String, _ options: [String]) async -> TestProcess.Outcome {
        await TestProcess.run(
            "curl", ["--silent", "--show-error", "--write-out", "\n%{http_version} %{http_code}"] + options + [url])
    }

    private static func tlsFlags(_ certificates: TestCertificates) -> [String] {
        ["--http-tls-certificate", certificates.server.certificate, "--http-tls-key", certificates.server.key]
    }

    /// Writes an nginx configuration with these servers, and all of nginx's files in `folder`.
    private static func writeNginx(_ servers: String, in folder: String) throws {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(folder)/\($0);" }
        try write(
            """
            daemon off;
            master_process off;
            pid \(folder)/nginx.pid;
            error_log stderr;
            events {}
            http {
            access_log off;
            \(temporary.joined(separator: "\n"))
            \(servers)
            }

            """, to: folder + "/nginx.conf")
    }

    // MARK: Clients

    @Test("curl gets the same responses over every protocol, in clear text and over TLS")
    func curl() async throws {
        try await TestCertificates.with { certificates in
            for (flags, versions) in [
                ([], [("--http2-prior-knowledge", "2"), ("--http1.1", "1.1"), ("--http2", "1.1")]),
                (Self.tlsFlags(certificates), [("--http2", "2"), ("--http1.1", "1.1"), ("--no-alpn", "1.1")]),
            ] {
                try await RunningService.with(flags) { service in
                    for (option, version) in versions {
                        let options = [option, "--cacert", certificates.ca, "-H", service.authorization]
                        let one = await Self.curl(service.base + service.accountPath, options)
                        #expect(one.lines.first?.contains("\"city\":\"Oakland\"") == true, "\(one.errors)")
                        #expect(one.lines.last == "\(version) 200")
                        let all = await Self.curl(service.base + "/v2/billing/stream", options)
                        #expect(all.lines.dropLast().last?.contains(#""contacts":990,"failures":10"#) == true)
                        #expect(all.lines.count == 1003)
                        let head = await Self.curl(service.base + service.accountPath, options + ["--head"])
                        #expect(head.output.lowercased().contains("content-length:"))
                        // curl 7.88 over HTTP/2 does not show a response that arrives before its body is sent.
                        let body =
                            version == "2" ? ["--request", "POST"] : ["--data", "x", "-H", "Expect: 100-continue"]
                        let posted = await Self.curl(service.base + service.accountPath, options + body)
                        #expect(posted.lines.last == "\(version) 405")
                        // curl 7.88 fails at a second request with prior-knowledge HTTP/2, with any server.
                        guard option != "--http2-prior-knowledge" else { continue }
                        let url = service.base + "/v2/accounts/nobody/billing"
                        let twice = await Self.curl(url, options + [url])
                        #expect(twice.output.matches(of: /"code":2001/).count == 2)
                    }
                    // Probes are only on the operations listener.
                    for path in ["/livez", "/readyz", "/metrics"] {
                        let probe = await Self.curl(service.base + path, ["--cacert", certificates.ca])
                        #expect(probe.lines.last?.hasSuffix(" 404") == true)
                    }
                    for option in ["--http1.1", "--http2-prior-knowledge"] {
                        let ready = await Self.curl(service.ops + "/readyz?verbose", [option])
                        #expect(ready.output.contains(#"{"status":"ready","checks":["#), "\(ready.output)")
                    }
                }
            }
        }
    }

    @Test("nghttp and h2load get responses over TLS")
    func nghttp2() async throws {
        try await TestCertificates.with { certificates in
            try await RunningService.with(Self.tlsFlags(certificates)) { service in
                let nghttp = await TestProcess.run(
                    "nghttp", ["-v", "-H", service.authorization, service.base + "/v2/accounts/nobody/billing"])
                #expect(nghttp.output.contains("The negotiated protocol: h2") && nghttp.output.contains(":status: 404"))
                let h2load = await TestProcess.run(
                    "h2load",
                    [
                        "-n", "5000", "-c", "8", "-m", "32", "-H", service.authorization,
                        service.base + "/v2/accounts/no%20id/billing",
                    ])
                #expect(h2load.output.contains("5000 done, 0 succeeded, 5000 failed, 0 errored, 0 timeout"))
                let http1 = await TestProcess.run(
                    "h2load",
                    [
                        "--npn-list=http/1.1", "-n", "1000", "-c", "8", "-H", service.authorization,
                        service.base + "/v2/accounts/no%20id/billing",
                    ])
                #expect(http1.output.contains("Application protocol: http/1.1"))
                #expect(http1.output.contains("1000 done, 0 succeeded, 1000 failed, 0 errored, 0 timeout"))
            }
        }
    }

    @Test("httpx reads responses and streams over HTTP/2")
    func httpx() async throws {
        try await TestCertificates.with { certificates in
            try await RunningService.with(Self.tlsFlags(certificates)) { service in
                let script = """
                    import json, ssl, sys
                    import httpx
                    base, token, path, ca = sys.argv[1:]
                    context = ssl.create_default_context(cafile=ca)
                    with httpx.Client(http2=True, verify=context, headers={"authorization": token}) as client:
                        one = client.get(base + path)
                        print(one.http_version, one.status_code, one.json()["city"])
                        with client.stream("GET", base + "/v2/billing/stream") as all:
                            lines = [json.loads(line) for line in all.iter_lines()]
                        print(all.http_version, len(lines), lines[-1]["type"], lines[-1]["contacts"])
                    """
                let python = TestProcess.root.appending(path: ".venv/bin/python").path(percentEncoded: false)
                try #require(FileManager.default.fileExists(atPath: python), "make test makes it")
                let outcome = await TestProcess.run(
                    python,
                    ["-c", script, service.base, "Bearer \(service.token)", service.accountPath, certificates.ca])
                #expect(outcome.lines == ["HTTP/2 200 Oakland", "HTTP/2 1002 end 990"], "\(outcome.errors)")
            }
        }
    }

    @Test("a caller is authenticated by a name in its client certificate")
    func clientCertificate() async throws {
        try await TestCertificates.with { certificates in
            try write(
                """
                {"callers": [{"name": "reports", "certificate_san": "URI:spiffe://example/reports",
                 "scopes": ["billing:read"]}]}
                """, to: certificates.folder + "/callers.json")
            let flags =
                Self.tlsFlags(certificates) + [
                    "--http-tls-client-ca", certificates.ca, "--callers-file", certificates.folder + "/callers.json",
                ]
            try await RunningService.with(flags) { service in
                let shown = [
                    "--cacert", certificates.ca, "--cert", certificates.client.certificate, "--key",
                    certificates.client.key,
                ]
                let known = await Self.curl(service.base + service.accountPath, shown)
                #expect(known.lines.last == "2 200")
                let forbidden = await Self.curl(service.base + "/v2/billing/stream", shown)
                #expect(forbidden.output.contains("\"code\":4711") && forbidden.lines.last == "2 403")
                // An invalid token is refused even with a valid certificate.
                let wrong = await Self.curl(
                    service.base + service.accountPath, shown + ["-H", "authorization: Bearer wrong"])
                #expect(wrong.lines.last == "2 401")
            }
        }
    }

    // MARK: Balancers

    @Test("the service works behind HAProxy with h2c, with TLS and with the PROXY protocol")
    func haproxy() async throws {
        try await TestCertificates.with { certificates in
            try await RunningService.with(Self.tlsFlags(certificates)) { encrypted in
                let flags = ["--http-proxy-protocol-trusted", "127.0.0.1", "--log-level", "debug"]
                try await RunningService.with(["--log-level", "debug", "--http-trusted-proxies", "127.0.0.1"]) {
                    clear in
                    try await RunningService.with(flags) { proxied in
                        let ports = [
                            try await PeerProgram.freePort(), try await PeerProgram.freePort(),
                            try await PeerProgram.freePort(),
                        ]
                        let configuration = """
                            global
                              maxconn 100
                            defaults
                              mode http
                              option forwardfor
                              timeout connect 5s
                              timeout client 30s
                              timeout server 30s
                            listen clear
                              bind 127.0.0.1:\(ports[0])
                              server service 127.0.0.1:\(clear.port) proto h2
                            listen encrypted
                              bind 127.0.0.1:\(ports[1])
                              server service 127.0.0.1:\(encrypted.port) ssl alpn h2 verify required ca-file \(certificates.ca) sni str(localhost) verifyhost localhost
                            listen proxied
                              bind 127.0.0.1:\(ports[2])
                              server service 127.0.0.1:\(proxied.port) proto h2 send-proxy-v2

                            """
                        let path = certificates.folder + "/haproxy.cfg"
                        try write(configuration, to: path)
                        try await PeerProgram.running("haproxy", ["-db", "-f", path], listeningOn: ports[0]) {
                            for (port, service) in zip(ports, [clear, encrypted, proxied]) {
                                // From another address than HAProxy's, so that the log shows which was used.
                                let options = ["-H", service.authorization, "--interface", "127.0.0.9"]
                                let one = await Self.curl("http://127.0.0.1:\(port)\(service.accountPath)", options)
                                #expect(one.lines.last == "1.1 200", "\(one.output)")
                                let all = await Self.curl("http://127.0.0.1:\(port)/v2/billing/stream", options)
                                #expect(all.lines.count == 1003)
                            }
                            try await clear.process.errors(containing: #""client":"127.0.0.9""#)
                            try await proxied.process.errors(containing: #""client":"127.0.0.9""#)
                        }
                        // Without the PROXY protocol header the connection is refused.
                        let bare = await proxied.curl(proxied.accountPath)
                        #expect(bare.status != 0 && bare.output.isEmpty)
                    }
                }
            }
        }
    }

    @Test("a PROXY protocol header from an untrusted peer closes the connection")
    func spoofed() async throws {
        try await RunningService.with(["--http-proxy-protocol-trusted", "192.0.2.0/24"]) { service in
            try await TextPeer.connected(to: service.port) { peer in
                try await peer.send("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                let all = try await peer.untilClosed()
                #expect(all.isEmpty)
            }
            #expect(await service.curl(service.accountPath).status == 0)
        }
    }

    @Test("the service works behind nginx over HTTP/1.1 with keep-alive")
    func nginx() async throws {
        try await withTemporaryFolder { folder in
            try await RunningService.with { service in
                let port = try await PeerProgram.freePort()
                try Self.writeNginx(
                    """
                    upstream service { server 127.0.0.1:\(service.port); keepalive 8; }
                    server {
                      listen 127.0.0.1:\(port);
                      location / {
                        proxy_pass http://service;
                        proxy_http_version 1.1;
                        proxy_set_header Connection "";
                      }
                    }
                    """, in: folder)
                try await PeerProgram.running("nginx", ["-p", folder, "-c", folder + "/nginx.conf"], listeningOn: port)
                {
                    let base = "http://127.0.0.1:\(port)"
                    for _ in 0..<20 {
                        let one = await Self.curl(base + service.accountPath, ["-H", service.authorization])
                        #expect(one.lines.last == "1.1 200", "\(one.output)")
                    }
                    let all = await Self.curl(base + "/v2/billing/stream", ["-H", service.authorization])
                    #expect(all.lines.count == 1003 && all.output.contains("\"complete\":true"))
                    let head = await Self.curl(base + service.accountPath, ["-H", service.authorization, "--head"])
                    #expect(head.output.contains("200 OK"))
                }
            }
        }
    }

    // MARK: Connections to Zoom

    /// Runs a sandbox with TLS and a service that uses it.
    private static func withEncryptedZoom(
        _ certificates: TestCertificates, url: @escaping (_ sandboxPort: Int) -> String,
        environment: [String: String] = [:],
        trusting ca: String? = nil,
        _ test: @escaping (_ base: String, _ service: TestProcess) async throws -> Void,
        around: (_ sandboxPort: Int, () async throws -> Void) async throws -> Void = { try await $1() }
    ) async throws {
        let credentials = certificates.folder + "/credentials.json"
        let sandbox = TestProcess(
            TestProcess.billingService,
            [
                "sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", credentials, "--sandbox-accounts",
                "100",
                "--sandbox-tls-certificate", certificates.server.certificate, "--sandbox-tls-key",
                certificates.server.key,
            ])
        let listening = try await sandbox.output(containing: "Listening on https://")
        let port = try #require(listening.firstMatch(of: /https:\/\/127.0.0.1:(\d+)/).flatMap { Int($0.output.1) })
        let digest = await tokenDigest("my-token")
        try write(
            #"{"callers":[{"name":"job","token_sha256":"\#(digest)","scopes":["billing:read","billing:export"]}]}"#,
            to: certificates.folder + "/callers.json")
        try await around(port) {
            let service = TestProcess(
                TestProcess.billingService,
                [
                    "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--credentials-file",
                    credentials, "--callers-file", certificates.folder + "/callers.json", "--zoom-api-url",
                    url(port) + "/v2", "--zoom-oauth-url", url(port) + "/oauth/token", "--zoom-plan", "business",
                    "--zoom-ca-file", ca ?? certificates.ca, "--zoom-retry-time", "0s",
                ], environment: environment)
            let output = try await service.output(containing: "Operations on ")
            let base = String(try #require(output.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
            try await test(base, service)
            service.signal(SIGTERM)
            let outcome = await service.outcome()
            #expect(outcome.status == 0)
            for secret in ["hunter%32", "hunter2", "wrong", "my-token"] { #expect(!outcome.errors.contains(secret)) }
        }
        sandbox.signal(SIGTERM)
        #expect(await sandbox.outcome().status == 0)
    }

    private static func stream(_ base: String) async -> TestProcess.Outcome {
        await curl(base + "/v2/billing/stream", ["-H", "authorization: Bearer my-token"])
    }

    private static let complete = #""type":"end","complete":true,"contacts":99,"failures":1"#

    @Test("the service connects to Zoom over TLS with a trusted certificate")
    func zoomOverTLS() async throws {
        try await TestCertificates.with { certificates in
            try await Self.withEncryptedZoom(certificates, url: { "https://localhost:\($0)" }) { base, _ in
                let all = await Self.stream(base)
                #expect(all.output.contains(Self.complete), "\(all.output)")
            }
        }
    }

    @Test("an untrusted certificate of Zoom is refused and logged")
    func untrustedCertificate() async throws {
        try await TestCertificates.with { certificates in
            try await Self.withEncryptedZoom(
                certificates, url: { "https://localhost:\($0)" }, trusting: certificates.otherCA
            ) { base, service in
                let one = await Self.curl(
                    base + "/v2/accounts/a/billing", ["-H", "authorization: Bearer my-token"])
                #expect(one.lines.last == "1.1 502", "\(one.output)")
                try await service.errors(containing: "unable to get local issuer certificate")
            }
        }
    }

    @Test("the service connects to Zoom over HTTP/1.1 if HTTP/2 is not offered")
    func zoomOverHTTP1() async throws {
        try await TestCertificates.with { certificates in
            let nginx = try await PeerProgram.freePort()
            try await Self.withEncryptedZoom(certificates, url: { _ in "https://localhost:\(nginx)" }) { base, _ in
                let all = await Self.stream(base)
                #expect(all.output.contains(Self.complete), "\(all.output)")
            } around: { sandboxPort, run in
                let folder = certificates.folder
                try Self.writeNginx(
                    """
                    gzip on;
                    gzip_proxied any;
                    gzip_min_length 1;
                    gzip_types application/json;
                    server {
                      listen 127.0.0.1:\(nginx) ssl;
                      ssl_certificate \(certificates.server.certificate);
                      ssl_certificate_key \(certificates.server.key);
                      location / { proxy_pass https://127.0.0.1:\(sandboxPort); proxy_http_version 1.1; }
                    }
                    """, in: folder)
                try await PeerProgram.running(
                    "nginx", ["-p", folder, "-c", folder + "/nginx.conf"], listeningOn: nginx, run)
            }
        }
    }

    @Test("the service connects to Zoom through HTTPS_PROXY with end-to-end TLS", arguments: [true, false])
    func proxy(isKnown: Bool) async throws {
        try await TestCertificates.with { certificates in
            let proxy = try await PeerProgram.freePort()
            let password = isKnown ? "hunter%32" : "wrong"
            try await Self.withEncryptedZoom(
                certificates, url: { "https://localhost:\($0)" },
                environment: ["HTTPS_PROXY": "http://user:\(password)@127.0.0.1:\(proxy)", "NO_PROXY": ""]
            ) { base, service in
                guard isKnown else {
                    let one = await Self.curl(
                        base + "/v2/accounts/a/billing", ["-H", "authorization: Bearer my-token"])
                    #expect(one.lines.last == "1.1 502", "\(one.output)")
                    try await service.errors(containing: "refused the user name and password (status 401)")
                    return
                }
                let all = await Self.stream(base)
                #expect(all.output.contains(Self.complete), "\(all.output)")
            } around: { sandboxPort, run in
                let path = certificates.folder + "/tinyproxy.conf"
                let log = certificates.folder + "/tinyproxy.log"
                try write(
                    """
                    Port \(proxy)
                    Listen 127.0.0.1
                    Timeout 60
                    LogFile "\(log)"
                    LogLevel Connect
                    MaxClients 20
                    BasicAuth user hunter2
                    ConnectPort \(sandboxPort)

                    """, to: path)
                try await PeerProgram.running("tinyproxy", ["-d", "-c", path], listeningOn: proxy, run)
                let seen = try String(contentsOfFile: log, encoding: .utf8)
                #expect(seen.contains("CONNECT localhost:\(sandboxPort)") || !isKnown)
            }
        }
    }
}
