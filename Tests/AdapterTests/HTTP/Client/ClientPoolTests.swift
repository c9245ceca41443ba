import Adapters
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("HTTP client: connection pool", .timeLimit(.minutes(10)))
struct ClientPoolTests {
    private static func request(_ origin: Origin, _ target: String = "/") -> ClientRequest {
        ClientRequest(
            method: "GET", scheme: origin.scheme.rawValue, authority: origin.authority, target: target)
    }

    private static func text(
        _ client: HTTPClient, _ target: String = "/", timeout: TimeAmount = .minutes(5), bytesMax: Int = 100_000
    ) async -> Result<String, HTTPFailure> {
        do throws(HTTPFailure) {
            let response = try await client.exchange(
                request(client.origin, target), bodyBytesMax: bytesMax, timeout: timeout)
            return .success(String(buffer: response.body))
        } catch {
            return .failure(error)
        }
    }

    /// The cause of a failed connection; nil if the connection was made.
    private static func cause(_ client: HTTPClient) async -> ConnectFailure.Cause? {
        if case .failure(.notConnected(let failure)) = await text(client) { failure.cause } else { nil }
    }

    private static func withClient(
        port: Int, scheme: Origin.Scheme = .http, host: String = "127.0.0.1",
        _ change: (inout HTTPClient.Configuration) -> Void = { _ in }, _ test: (HTTPClient) async throws -> Void
    ) async throws {
        var configuration = HTTPClient.Configuration.longTimeouts
        change(&configuration)
        let client = HTTPClient(
            origin: Origin(scheme: scheme, host: host, port: port), group: .singleton, configuration: configuration,
            logger: .silent)
        try await test(client)
        await client.close()
    }

    // MARK: Unprocessed requests

    @Test("after GOAWAY, unprocessed requests are sent on a new connection and the others are awaited")
    func goAway() async throws {
        let both = Event<Void>()
        let scripts = [
            PeerServer.frames { peer in
                let first = try await peer.next(.headers).stream
                _ = try await peer.next(.headers)
                both.fire()
                try await peer.send(.goAway(lastStream: first))
                // Its stream is not above the last stream of the GOAWAY, so it is still answered.
                try await peer.answer(first, "old")
                _ = try await peer.untilClosed()
            },
            PeerServer.frames { peer in
                try await peer.answer(peer.next(.headers).stream, "new")
                _ = try await peer.untilClosed()
            },
        ]
        try await PeerServer.with(scripts) { port in
            try await Self.withClient(port: port) { client in
                async let one = Self.text(client)
                async let other = Self.text(client)
                try await both.next()
                let answers = await [try one.get(), try other.get()]
                #expect(Set(answers) == ["old", "new"])
            }
        }
    }

    @Test("a request refused with REFUSED_STREAM is sent on another connection")
    func refused() async throws {
        let scripts = [
            PeerServer.frames { peer in
                try await peer.send(.reset(peer.next(.headers).stream, 7))
                _ = try await peer.untilClosed()
            },
            PeerServer.frames { peer in
                try await peer.answer(peer.next(.headers).stream, "accepted")
                _ = try await peer.untilClosed()
            },
        ]
        try await PeerServer.with(scripts) { port in
            try await Self.withClient(port: port) { #expect(await Self.text($0) == .success("accepted")) }
        }
    }

    @Test("a server that refuses every request makes the request fail as unprocessed")
    func alwaysRefused() async throws {
        let refusing = PeerServer.frames { peer in
            try await peer.send(.reset(peer.next(.headers).stream, 7))
            _ = try await peer.untilClosed()
        }
        try await PeerServer.with(Array(repeating: refusing, count: 5)) { port in
            try await Self.withClient(port: port) { #expect(await Self.text($0) == .failure(.unprocessed)) }
        }
    }

    @Test("a request that may have been processed is not sent again")
    func lost() async throws {
        let requests = Mutex(0)
        let losing = PeerServer.frames { peer in
            _ = try await peer.next(.headers)
            requests.withLock { $0 += 1 }
        }
        try await PeerServer.with([losing, losing]) { port in
            try await Self.withClient(port: port) { #expect(await Self.text($0) == .failure(.connectionLost)) }
        }
        #expect(requests.withLock { $0 } == 1)
    }

    // MARK: Idle connections

    @Test("an idle connection is checked with PING before it gets a request")
    func pings() async throws {
        let script = PeerServer.frames { peer in
            try await peer.answer(peer.next(.headers).stream, "first")
            let ping = try await peer.next(.ping)
            try await peer.send(.ping(ping.payload, isAcknowledgement: true))
            try await peer.answer(peer.next(.headers).stream, "second")
            _ = try await peer.untilClosed()
        }
        try await PeerServer.with([script]) { port in
            try await Self.withClient(port: port, { $0.idleProbeAfter = .nanoseconds(1) }) { client in
                #expect(await Self.text(client) == .success("first"))
                #expect(await Self.text(client) == .success("second"))
            }
        }
    }

    @Test("an idle connection that does not acknowledge a PING is replaced")
    func silent() async throws {
        let scripts = [
            PeerServer.frames { peer in
                try await peer.answer(peer.next(.headers).stream, "first")
                _ = try await peer.untilClosed()
            },
            PeerServer.frames { peer in
                try await peer.answer(peer.next(.headers).stream, "second")
                _ = try await peer.untilClosed()
            },
        ]
        try await PeerServer.with(scripts) { port in
            try await Self.withClient(
                port: port,
                {
                    $0.idleProbeAfter = .nanoseconds(1)
                    $0.idleProbeTimeout = .milliseconds(200)
                }
            ) { client in
                #expect(await Self.text(client) == .success("first"))
                #expect(await Self.text(client) == .success("second"))
            }
        }
    }

    @Test("a connection older than its maximum age is closed and replaced")
    func age() async throws {
        let closed = Event<Void>()
        let serving = PeerServer.frames { peer in
            try await peer.answer(peer.next(.headers).stream, "served")
            _ = try await peer.untilClosed()
            closed.fire()
        }
        try await PeerServer.with([serving, serving]) { port in
            try await Self.withClient(port: port, { $0.timeouts.connectionAge = .milliseconds(200) }) { client in
                #expect(await Self.text(client) == .success("served"))
                try await closed.next()
                #expect(await Self.text(client) == .success("served"))
            }
        }
    }

    // MARK: Addresses

    @Test("the client connects to the new address when the host name resolves to another")
    func moves() async throws {
        let serving = { (name: String) in
            PeerServer.frames { peer in
                while let request = try? await peer.next(.headers) { try await peer.answer(request.stream, name) }
            }
        }
        let address = Mutex("127.0.0.1")
        try await PeerServer.with([serving("old")]) { port in
            try await PeerServer.with(host: "127.0.0.2", port: port, [serving("new")]) { _ in
                let lookup = AddressLookup { _, port in
                    [try SocketAddress(ipAddress: address.withLock { $0 }, port: port)]
                }
                try await Self.withClient(
                    port: port, host: "moving.example",
                    {
                        $0.lookup = lookup
                        $0.resolveEvery = .nanoseconds(1)
                    }
                ) { client in
                    #expect(await Self.text(client) == .success("old"))
                    address.withLock { $0 = "127.0.0.2" }
                    var answer = ""
                    // The request that starts the new lookup may still use the old address.
                    for _ in 0..<100 where answer != "new" { answer = try await Self.text(client).get() }
                    #expect(answer == "new")
                }
            }
        }
    }

    @Test("address lookup, TLS handshake and first byte each have a timeout")
    func deadlines() async throws {
        let blocked = DispatchSemaphore(value: 0)
        try await Self.withClient(
            port: 1, host: "slow.example",
            {
                $0.resolve = .milliseconds(50)
                $0.lookup = AddressLookup { _, _ in
                    blocked.wait()
                    return []
                }
            }
        ) { #expect(await Self.cause($0) == .resolverTimedOut) }
        blocked.signal()

        let mute = PeerServer.text { _ = try await $0.untilClosed() }
        try await PeerServer.with([mute]) { port in
            try await Self.withClient(
                port: port, scheme: .https,
                {
                    $0.tls = try? TLSContext(clientTrusting: nil)
                    $0.tlsHandshake = .milliseconds(50)
                }
            ) { #expect(await Self.cause($0) == .tlsTimedOut) }
        }

        let silent = PeerServer.frames { _ = try await $0.untilClosed() }
        try await PeerServer.with([silent]) { port in
            try await Self.withClient(port: port, { $0.firstByte = .milliseconds(50) }) {
                #expect(await Self.text($0) == .failure(.timedOut))
            }
        }
    }

    @Test("link-local addresses are refused", arguments: ["169.254.169.254", "fe80::1"])
    func linkLocal(host: String) async throws {
        try await Self.withClient(port: 80, host: host) {
            #expect(await Self.cause($0) == .forbiddenAddress)
        }
    }

    // MARK: Certificates

    @Test("only a trusted certificate for the requested host is accepted")
    func verification() async throws {
        try await TestCertificates.with { certificates in
            let hello = ScriptedHandler { _ in .now(.text("hello")) }
            func connect(_ files: ServerCertificate.Files, trusting ca: String, host: String) async throws
                -> Result<String, HTTPFailure>
            {
                var result: Result<String, HTTPFailure> = .failure(.cancelled)
                try await withServer(hello, tls: .test(files)) { server in
                    try await Self.withClient(
                        port: server.port, scheme: .https, host: host,
                        {
                            $0.tls = try? TLSContext(clientTrusting: ca)
                            $0.lookup = AddressLookup { _, port in
                                [try SocketAddress(ipAddress: "127.0.0.1", port: port)]
                            }
                        }
                    ) { result = await Self.text($0) }
                }
                return result
            }
            let (trusted, other) = (certificates.ca, certificates.otherCA)
            for (files, ca, host, isAccepted) in [
                (certificates.server, trusted, "localhost", true), (certificates.server, trusted, "127.0.0.1", true),
                (certificates.server, other, "localhost", false), (certificates.stranger, trusted, "localhost", false),
                (certificates.server, trusted, "127.0.0.2", false),
                (certificates.server, trusted, "sub.localhost", false),
            ] {
                let result = try await connect(files, trusting: ca, host: host)
                if isAccepted {
                    #expect(result == .success("hello"), "\(host)")
                } else if case .failure(.notConnected(let failure)) = result, case .tls = failure.cause {
                    continue
                } else {
                    Issue.record("\(host): \(result)")
                }
            }
        }
    }
}
