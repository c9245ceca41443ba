import Adapters
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("A client and its connections", .timeLimit(.minutes(1)))
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

    /// Why no connection was made; `nil` if one was.
    private static func cause(_ client: HTTPClient) async -> ConnectFailure.Cause? {
        if case .failure(.notConnected(let failure)) = await text(client) { failure.cause } else { nil }
    }

    private static func withClient(
        port: Int, scheme: Origin.Scheme = .http, host: String = "127.0.0.1",
        _ change: (inout HTTPClient.Configuration) -> Void = { _ in }, _ test: (HTTPClient) async throws -> Void
    ) async throws {
        var configuration = HTTPClient.Configuration.patient
        change(&configuration)
        let client = HTTPClient(
            origin: Origin(scheme: scheme, host: host, port: port), group: .singleton, configuration: configuration,
            logger: .silent)
        try await test(client)
        await client.close()
    }

    // MARK: What was not looked at

    @Test("sends what a GOAWAY says was not looked at on the next connection, and waits for what was")
    func goAway() async throws {
        let both = Event<Void>()
        let scripts = [
            PeerServer.frames { peer in
                let first = try await peer.next(.headers).stream
                _ = try await peer.next(.headers)
                both.fire()
                try await peer.send(.goAway(lastStream: first))
                // Still served: it was taken before.
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

    @Test("sends what was refused on another connection")
    func refused() async throws {
        let scripts = [
            PeerServer.frames { peer in
                try await peer.send(.reset(peer.next(.headers).stream, 7))
                _ = try await peer.untilClosed()
            },
            PeerServer.frames { peer in
                try await peer.answer(peer.next(.headers).stream, "taken")
                _ = try await peer.untilClosed()
            },
        ]
        try await PeerServer.with(scripts) { port in
            try await Self.withClient(port: port) { #expect(await Self.text($0) == .success("taken")) }
        }
    }

    @Test("gives up on a server that refuses everything")
    func alwaysRefused() async throws {
        let refusing = PeerServer.frames { peer in
            try await peer.send(.reset(peer.next(.headers).stream, 7))
            _ = try await peer.untilClosed()
        }
        try await PeerServer.with(Array(repeating: refusing, count: 5)) { port in
            try await Self.withClient(port: port) { #expect(await Self.text($0) == .failure(.unprocessed)) }
        }
    }

    @Test("does not send again what may have been looked at")
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

    // MARK: Quiet connections

    @Test("asks a quiet connection whether it is there before it gets a request")
    func asks() async throws {
        let script = PeerServer.frames { peer in
            try await peer.answer(peer.next(.headers).stream, "first")
            let ping = try await peer.next(.ping)
            try await peer.send(.ping(ping.payload, isAcknowledgement: true))
            try await peer.answer(peer.next(.headers).stream, "second")
            _ = try await peer.untilClosed()
        }
        try await PeerServer.with([script]) { port in
            try await Self.withClient(port: port, { $0.quiet = .nanoseconds(1) }) { client in
                #expect(await Self.text(client) == .success("first"))
                #expect(await Self.text(client) == .success("second"))
            }
        }
    }

    @Test("makes another in the place of one that does not answer")
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
                    $0.quiet = .nanoseconds(1)
                    $0.quietAnswer = .milliseconds(200)
                }
            ) { client in
                #expect(await Self.text(client) == .success("first"))
                #expect(await Self.text(client) == .success("second"))
            }
        }
    }

    @Test("lets go of a connection that is old enough")
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

    @Test("goes where the origin has moved to")
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
                    // The request that finds out may still go to the old place.
                    for _ in 0..<100 where answer != "new" { answer = try await Self.text(client).get() }
                    #expect(answer == "new")
                }
            }
        }
    }

    @Test("gives the search for addresses, the handshake and the first byte a time each")
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

    @Test("connects to nothing that is for neighbours alone", arguments: ["169.254.169.254", "fe80::1"])
    func linkLocal(host: String) async throws {
        try await Self.withClient(port: 80, host: host) {
            #expect(await Self.cause($0) == .forbiddenAddress)
        }
    }

    // MARK: Whom it believes

    @Test("believes the right certificate for the right host, and no other")
    func verification() async throws {
        try await TestCertificates.with { certificates in
            let hello = ScriptedHandler { _ in .now(.text("hello")) }
            func ask(_ files: ServerCertificate.Files, trusting ca: String, host: String) async throws
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
            let (right, wrong) = (certificates.ca, certificates.otherCA)
            for (files, ca, host, isBelieved) in [
                (certificates.server, right, "localhost", true), (certificates.server, right, "127.0.0.1", true),
                (certificates.server, wrong, "localhost", false), (certificates.stranger, right, "localhost", false),
                (certificates.server, right, "127.0.0.2", false), (certificates.server, right, "sub.localhost", false),
            ] {
                let result = try await ask(files, trusting: ca, host: host)
                if isBelieved {
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
