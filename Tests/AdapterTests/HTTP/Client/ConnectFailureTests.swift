import Adapters
import NIOCore
import NIOPosix
import Testing

@Suite("HTTP client: connection failures", .timeLimit(.minutes(10)))
struct ConnectFailureTests {
    private static let names = ConnectFailure.SettingNames(
        address: "zoom.api-url", caFile: "zoom.ca-file", proxy: "HTTPS_PROXY")

    private static func failure(
        scheme: Origin.Scheme = .http, host: String = "localhost", port: Int,
        _ change: (inout HTTPClient.Configuration) throws -> Void = { _ in }
    ) async throws -> ConnectFailure {
        var configuration = HTTPClient.Configuration.longTimeouts
        // Resolves the name without a name server.
        configuration.lookup = AddressLookup { _, port in [try SocketAddress(ipAddress: "127.0.0.1", port: port)] }
        try change(&configuration)
        let origin = Origin(scheme: scheme, host: host, port: port)
        let client = HTTPClient(origin: origin, group: .singleton, configuration: configuration, logger: .silent)
        let request = ClientRequest(
            method: "GET", scheme: scheme.rawValue, authority: origin.authority, target: "/")
        var found: ConnectFailure?
        do throws(HTTPFailure) {
            _ = try await client.exchange(request, bodyBytesMax: 1000, timeout: .minutes(1))
        } catch {
            if case .notConnected(let failure) = error { found = failure }
        }
        await client.close()
        return try #require(found)
    }

    @Test("an unknown host, a failing name server and a forbidden address are different causes")
    func lookup() async throws {
        for (error, cause, remedy) in [
            (AddressLookup.Unknown(), .unknownHost, "check the host name in zoom.api-url"),
            (AddressLookup.Failed(), .resolverFailed, "check the name server"),
            (AddressLookup.Forbidden(), .forbiddenAddress, "check the host name"),
        ] as [(any Error & Sendable, ConnectFailure.Cause, String)] {
            let failure = try await Self.failure(host: "api.zoom.test", port: 443) {
                $0.lookup = AddressLookup { _, _ in throw error }
            }
            #expect(failure.cause == cause)
            #expect("\(failure)".hasPrefix("api.zoom.test:443: the host"))
            #expect(failure.remedy(Self.names).hasPrefix(remedy))
        }
    }

    @Test("the system resolver reports a nonexistent name as unknown host or as a resolver failure")
    func systemLookup() async throws {
        let failure = try await Self.failure(host: "host.invalid", port: 443) { $0.lookup = .system }
        #expect([.unknownHost, .resolverFailed, .resolverTimedOut].contains(failure.cause))
    }

    @Test(
        "a refused connection is reported, also if another address of the host has no route")
    func refused() async throws {
        let failure = try await Self.failure(port: 1)
        #expect(failure == ConnectFailure(.refused, origin: "localhost:1"))
        #expect("\(failure)" == "localhost:1 refused the connection")
        #expect(
            failure.remedy(Self.names)
                == "check the host and port in zoom.api-url, and that a server listens there; if a proxy leads there, "
                + "name it in HTTPS_PROXY")
        #expect(
            failure.remedy(.init(address: "--url", caFile: "--zoom-ca-file", proxy: nil))
                == "check the host and port in --url, and that a server listens there")
        let several = try await Self.failure(port: 1) {
            $0.lookup = AddressLookup { _, port in
                // 255.255.255.255 has no route for TCP.
                try ["255.255.255.255", "127.0.0.1"].map { try SocketAddress(ipAddress: $0, port: port) }
            }
        }
        #expect(several.cause == .refused)
    }

    @Test("an untrusted certificate, a certificate for another host and a peer without TLS are different causes")
    func certificates() async throws {
        try await TestCertificates.with { certificates in
            let hello = ScriptedHandler { _ in .now(.text("hello")) }
            func failure(
                _ files: ServerCertificate.Files?, trusting ca: String, host: String = "localhost"
            ) async throws -> ConnectFailure {
                var found: ConnectFailure?
                try await withServer(hello, tls: files.map { try .test($0) }) { server in
                    found = try await Self.failure(scheme: .https, host: host, port: server.port) {
                        $0.tls = try TLSContext(clientTrusting: ca)
                    }
                }
                return try #require(found)
            }
            let untrusted = try await failure(certificates.server, trusting: certificates.otherCA)
            guard case .tls(.peerUntrusted) = untrusted.cause else {
                Issue.record("\(untrusted)")
                return
            }
            #expect(untrusted.remedy(Self.names).hasPrefix("put the certificate of its issuer (PEM) into zoom.ca-file"))
            let foreign = try await failure(certificates.stranger, trusting: certificates.ca)
            #expect(foreign.cause == .tls(.peerNameMismatch))
            #expect("\(foreign)".hasSuffix("the certificate of the other side is for another host name"))
            let address = try await failure(certificates.server, trusting: certificates.ca, host: "127.0.0.2")
            #expect(address.cause == .tls(.peerNameMismatch))
            let clear = try await failure(nil, trusting: certificates.ca)
            #expect(clear.cause == .tls(.peerSpeaksNoTLS) || clear.cause == .tlsClosed)
        }
    }

    @Test(
        "bytes that are not TLS and an early close are different causes",
        arguments: [
            ("HTTP/1.1 400 Bad Request\r\n\r\n", .tls(.peerSpeaksNoTLS)),
            ("220 mail.example ESMTP\r\n", .tls(.peerSpeaksNoTLS)),
            ("", .tlsClosed),
        ] as [(String, ConnectFailure.Cause)])
    func noTLS(answer: String, cause: ConnectFailure.Cause) async throws {
        let peer = PeerServer.text { peer in
            guard !answer.isEmpty else { return }
            try await peer.send(answer)
            _ = try await peer.untilClosed()
        }
        try await PeerServer.with([peer]) { port in
            let failure = try await Self.failure(scheme: .https, port: port) {
                $0.tls = try TLSContext(clientTrusting: nil)
            }
            #expect(failure.cause == cause)
        }
    }

    @Test(
        "each failure of a proxy is a different cause: missing or wrong password, refusal, no HTTP, early close",
        arguments: [
            ("", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", .proxyAuthentication(407, wasAttempted: false)),
            (
                "user:wrong@", "HTTP/1.1 407 No\r\ncontent-length: 2\r\n\r\nno",
                .proxyAuthentication(407, wasAttempted: true)
            ),
            ("user:wrong@", "HTTP/1.1 401 Unauthorized\r\n\r\n", .proxyAuthentication(401, wasAttempted: true)),
            ("", "HTTP/1.1 403 Filtered\r\ncontent-length: 2\r\n\r\nno", .proxyStatus(403)),
            ("", "HTTP/1.0 502 Bad Gateway\r\n\r\n", .proxyStatus(502)),
            ("", "220 mail.example ESMTP\r\n", .proxyMalformed),
            ("", "", .proxyClosed),
        ] as [(String, String, ConnectFailure.Cause)])
    func proxy(user: String, answer: String, cause: ConnectFailure.Cause) async throws {
        let peer = PeerServer.text { peer in
            guard !answer.isEmpty else { return }
            try await peer.send(answer)
            _ = try await peer.untilClosed()
        }
        try await PeerServer.with([peer]) { port in
            let failure = try await Self.failure(scheme: .https, host: "api.zoom.test", port: 443) {
                $0.tls = try TLSContext(clientTrusting: nil)
                $0.proxies = try ForwardProxies(httpsProxy: "http://\(user)127.0.0.1:\(port)", noProxy: nil)
            }
            #expect(failure == ConnectFailure(cause, origin: "api.zoom.test:443", proxy: "127.0.0.1:\(port)"))
            #expect("\(failure)".hasPrefix("the proxy 127.0.0.1:\(port) ") && !"\(failure)".contains("wrong"))
        }
    }

    @Test("an unreachable proxy is reported with its address and its setting")
    func missingProxy() async throws {
        let failure = try await Self.failure(scheme: .https, host: "api.zoom.test", port: 443) {
            $0.tls = try TLSContext(clientTrusting: nil)
            $0.proxies = try ForwardProxies(httpsProxy: "http://127.0.0.1:1", noProxy: nil)
        }
        #expect("\(failure)" == "the proxy 127.0.0.1:1 refused the connection")
        #expect(failure.remedy(Self.names) == "check the host and port in HTTPS_PROXY, and that a server listens there")
    }
}
