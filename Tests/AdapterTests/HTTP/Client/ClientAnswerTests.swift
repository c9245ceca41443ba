import Adapters
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Testing

@Suite("HTTP client: responses", .timeLimit(.minutes(10)))
struct ClientAnswerTests {
    private static func exchange(
        _ client: HTTPClient, bytesMax: Int = 100_000, method: String = "GET"
    ) async -> Result<ClientResponse, HTTPFailure> {
        let request = ClientRequest(
            method: method, scheme: client.origin.scheme.rawValue, authority: client.origin.authority, target: "/")
        do throws(HTTPFailure) {
            return .success(try await client.exchange(request, bodyBytesMax: bytesMax, timeout: .minutes(5)))
        } catch {
            return .failure(error)
        }
    }

    private static func failure(_ result: Result<ClientResponse, HTTPFailure>) -> HTTPFailure? {
        switch result {
        case .success: nil
        case .failure(let failure): failure
        }
    }

    // MARK: Compression

    /// The output of a shell command, compressed with gzip(1).
    private static func gzip(_ command: String) async throws -> ByteBuffer {
        var data = Data()
        try await withTemporaryFolder { folder in
            let made = await TestProcess.run("sh", ["-c", "\(command) | gzip > '\(folder)/it'"])
            try #require(made.status == 0)
            data = try Data(contentsOf: URL(filePath: folder + "/it"))
        }
        return ByteBuffer(bytes: data)
    }

    private static func withAnswer(
        _ body: ByteBuffer, _ coding: String, over transport: Transport, _ test: (HTTPClient) async throws -> Void
    ) async throws {
        let handler = ScriptedHandler { _ in
            var response = HTTPResponse(status: 200, body: body)
            response.fields.append(FieldName("content-encoding"), coding)
            return .now(response)
        }
        try await withServer(handler, tls: try await transport.certificate()) { server in
            let client = try await transport.client(of: server)
            try await test(client)
            await client.close()
        }
    }

    @Test("a gzip response is decompressed", arguments: Transport.allCases)
    func compressed(transport: Transport) async throws {
        try await Self.withAnswer(Self.gzip("printf hello"), "gzip", over: transport) { client in
            let response = try await Self.exchange(client).get()
            #expect(String(buffer: response.body) == "hello")
        }
    }

    @Test("decompression stops at the body limit and at an implausible compression ratio")
    func bomb() async throws {
        let bomb = try await Self.gzip("head -c 50000000 /dev/zero")
        #expect(bomb.readableBytes < 100_000)
        try await Self.withAnswer(bomb, "gzip", over: .h2c) { client in
            #expect(Self.failure(await Self.exchange(client)) == .tooLarge)
            // Within the body limit, but the compression ratio is higher than that of any real text.
            #expect(Self.failure(await Self.exchange(client, bytesMax: 60_000_000)) == .tooLarge)
        }
    }

    @Test(
        "a response whose content coding is wrong, unsupported or repeated is malformed",
        arguments: ["gzip", "br", "gzip, gzip"])
    func unreadable(coding: String) async throws {
        try await Self.withAnswer(ByteBuffer(string: "hello"), coding, over: .h2c) { client in
            #expect(Self.failure(await Self.exchange(client)) == .malformed)
        }
        let whole = try await Self.gzip("printf hello")
        let half = whole.getSlice(at: 0, length: whole.readableBytes / 2) ?? ByteBuffer()
        try await Self.withAnswer(half, "gzip", over: .h2c) { client in
            #expect(Self.failure(await Self.exchange(client)) == .malformed)
        }
    }

    // MARK: Truncation

    private static func withHTTP1(
        _ answers: [String], _ test: (HTTPClient) async throws -> Void
    ) async throws {
        try await TestCertificates.with { certificates in
            let server = try TLSContext(
                certificateFile: certificates.server.certificate, keyFile: certificates.server.key, clientCAFile: nil,
                ticketKeys: TicketKeys())
            let scripts = answers.map { answer in
                PeerServer.text { peer in
                    _ = try await peer.read(through: "\r\n\r\n")
                    try await peer.send(answer)
                }
            }
            var configuration = HTTPClient.Configuration.longTimeouts
            configuration.tls = try TLSContext(clientTrusting: certificates.ca, offering: [.http1])
            try await PeerServer.with(tls: server, scripts) { port in
                let client = HTTPClient(
                    origin: Origin(scheme: .https, host: "localhost", port: port), group: .singleton,
                    configuration: configuration, logger: .silent)
                try await test(client)
                await client.close()
            }
        }
    }

    @Test(
        "an HTTP/1.1 response is complete only if its framing is",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
            ("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
            // Without a length, the body ends with the TLS close_notify alert.
            ("HTTP/1.1 200 OK\r\n\r\nhello", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Le", false), ("", false), ("SSH-2.0-server\r\n", false),
        ])
    func http1(answer: String, isWhole: Bool) async throws {
        try await Self.withHTTP1([answer, answer]) { client in
            switch await Self.exchange(client) {
            case .success(let response): #expect(isWhole && String(buffer: response.body) == "hello")
            case .failure(let failure): #expect(!isWhole, "\(failure)")
            }
        }
    }

    @Test("an HTTP/2 response without END_STREAM fails when the connection is lost")
    func http2() async throws {
        let script = PeerServer.frames { peer in
            let stream = try await peer.next(.headers).stream
            try await peer.send(
                FramePeer.Frame(kind: .headers, flags: 0x4, stream: stream, payload: [0x88]), .data(stream, [1, 2, 3]))
        }
        try await PeerServer.with([script]) { port in
            let client = HTTPClient(
                origin: Origin(scheme: .http, host: "127.0.0.1", port: port), group: .singleton,
                configuration: .longTimeouts, logger: .silent)
            #expect(Self.failure(await Self.exchange(client)) == .connectionLost)
            await client.close()
        }
    }

    @Test("a response with more than 16 interim responses is refused")
    func interim() async throws {
        let script = PeerServer.frames { peer in
            let stream = try await peer.next(.headers).stream
            // `:status: 103` as a literal without indexing; the name is entry 8 of the static table.
            let early = FramePeer.Frame(
                kind: .headers, flags: 0x4, stream: stream, payload: [0x08, 3] + Array("103".utf8))
            for _ in 0..<17 { try await peer.send(early) }
            _ = try await peer.untilClosed()
        }
        try await PeerServer.with([script]) { port in
            let client = HTTPClient(
                origin: Origin(scheme: .http, host: "127.0.0.1", port: port), group: .singleton,
                configuration: .longTimeouts, logger: .silent)
            #expect(Self.failure(await Self.exchange(client)) == .malformed)
            await client.close()
        }
    }

    // MARK: Cancellation

    @Test("cancelling a request sends RST_STREAM(CANCEL)")
    func cancelled() async throws {
        let (received, reset) = (Event<Void>(), Event<UInt32?>())
        let script = PeerServer.frames { peer in
            _ = try await peer.next(.headers)
            received.fire()
            reset.fire(try await peer.next(.reset).errorCode)
            _ = try await peer.untilClosed()
        }
        try await PeerServer.with([script]) { port in
            let client = HTTPClient(
                origin: Origin(scheme: .http, host: "127.0.0.1", port: port), group: .singleton,
                configuration: .longTimeouts, logger: .silent)
            let request = Task { await Self.exchange(client) }
            try await received.next()
            request.cancel()
            #expect(Self.failure(await request.joined) == .cancelled)
            #expect(try await reset.next() == HTTP2ErrorCode.cancel.rawValue)
            await client.close()
        }
    }

    @Test("beyond the reset limit, responses to cancelled requests are received and discarded")
    func manyCancelled() async throws {
        let received = Event<Void>()
        let script = PeerServer.frames { peer in
            var streams: [UInt32] = []
            for _ in 0..<40 {
                streams.append(try await peer.next(.headers).stream)
                received.fire()
            }
            var resets = 0
            while true {
                let frame = try await peer.next()
                if frame.kind == .reset { resets += 1 }
                // The last request, sent after all others were cancelled.
                guard frame.kind == .headers else { continue }
                for stream in streams { try await peer.answer(stream, "too late") }
                try await peer.answer(frame.stream, "\(resets)")
                _ = try await peer.untilClosed()
            }
        }
        try await PeerServer.with([script]) { port in
            let client = HTTPClient(
                origin: Origin(scheme: .http, host: "127.0.0.1", port: port), group: .singleton,
                configuration: .longTimeouts, logger: .silent)
            let requests = (0..<40).map { _ in Task { await Self.exchange(client) } }
            for _ in 0..<40 { try await received.next() }
            for task in requests { task.cancel() }
            for task in requests { #expect(Self.failure(await task.joined) == .cancelled) }
            let last = try await Self.exchange(client).get()
            // A burst of 20, and more on a slow machine, where the token bucket refills.
            let resets = try #require(Int(String(buffer: last.body)))
            #expect((20..<40).contains(resets))
            await client.close()
        }
    }

    @Test("a request of an already cancelled task fails at once")
    func cancelledBefore() async throws {
        let silent = PeerServer.frames { _ = try await $0.untilClosed() }
        try await PeerServer.with([silent]) { port in
            let client = HTTPClient(
                origin: Origin(scheme: .http, host: "127.0.0.1", port: port), group: .singleton,
                configuration: .longTimeouts, logger: .silent)
            let request = Task {
                await untilCancelled()
                return await Self.exchange(client)
            }
            request.cancel()
            #expect(Self.failure(await request.joined) == .cancelled)
            await client.close()
        }
    }

    @Test("redirects are not followed", arguments: Transport.allCases)
    func redirect(transport: Transport) async throws {
        let handler = ScriptedHandler { _ in
            var response = HTTPResponse(status: 302)
            response.fields.append(FieldName("location"), "/elsewhere")
            return .now(response)
        }
        try await withServer(handler, tls: try await transport.certificate()) { server in
            let client = try await transport.client(of: server)
            let response = try await Self.exchange(client).get()
            #expect(response.status == 302)
            await client.close()
        }
    }
}
