import Adapters
import DomainFakes
import NIOCore
import Synchronization
import Testing

@Suite("Streamed bodies", .timeLimit(.minutes(10)))
struct StreamedBodyTests {
    /// Pieces of a body: lines, blocks of lines, and slices of pages that share one storage.
    private static func pieces(seed: UInt64) -> [ByteBuffer] {
        var random = SeededRandom(seed: seed)
        let page = ByteBuffer(bytes: (0..<65_536).map { _ in UInt8.random(in: 0...255, using: &random) })
        return (0..<Int.random(in: 10...40, using: &random)).map { _ in
            let count =
                switch Int.random(in: 0..<4, using: &random) {
                case 0: Int.random(in: 1...400, using: &random)
                case 1: Int.random(in: 1000...20_000, using: &random)
                default: Int.random(in: 1...65_536, using: &random)
                }
            let start = Int.random(in: 0...(65_536 - count), using: &random)
            return page.getSlice(at: start, length: count) ?? ByteBuffer()
        }
    }

    private static func handler(_ pieces: [ByteBuffer]) -> ScriptedHandler {
        ScriptedHandler { _ in
            .stream(HTTPResponse(status: 200)) { body in
                do throws(BodyWriter.Closed) {
                    for piece in pieces { try await body.write(piece) }
                    return .complete
                } catch {
                    return .broken
                }
            }
        }
    }

    @Test(
        "the received body has the written bytes, whatever the sizes of pieces and windows",
        arguments: StreamSchedulerTests.Kind.allCases, 0..<5 as Range<UInt64>)
    func bytes(transport: StreamSchedulerTests.Kind, seed: UInt64) async throws {
        // With a window of 100 bytes, each frame has less than that.
        let window: Int32 = [100, 16_384, 65_535, 100_000, 1 << 20][Int(seed)]
        let pieces = Self.pieces(seed: seed).prefix(window < 1000 ? 3 : .max).map { piece in
            window < 1000
                ? piece.getSlice(at: piece.readerIndex, length: min(300, piece.readableBytes)) ?? piece : piece
        }
        let tls = transport.isEncrypted ? try await Transport.h2.certificate() : nil
        try await withServer(Self.handler(pieces), tls: tls) { server in
            let client = try await transport.client(of: server, windowBytes: window)
            let request = ClientRequest(
                method: "GET", scheme: client.origin.scheme.rawValue, authority: client.origin.authority, target: "/")
            let body = try await client.exchange(request, bodyBytesMax: 16 << 20, timeout: .minutes(5)).body
            await client.close()
            var expected = ByteBuffer()
            for piece in pieces { expected.writeImmutableBuffer(piece) }
            #expect(body == expected, "seed \(seed), window \(window)")
        }
    }

    @Test(
        "DATA frames of a streamed body are as large as the peer permits, up to 64 KiB",
        arguments: [(16_384, 16_384), (30_000, 30_000), (65_536, 65_536), (1 << 20, 65_536)])
    func frames(permitted: Int, expected: Int) async throws {
        let pieces = Array(repeating: ByteBuffer(repeating: 0x61, count: 40_000), count: 20)
        try await withServer(Self.handler(pieces)) { server in
            // SETTINGS_INITIAL_WINDOW_SIZE and SETTINGS_MAX_FRAME_SIZE.
            let settings: [(id: UInt16, value: UInt32)] = [(4, 1 << 24), (5, UInt32(permitted))]
            try await FramePeer.connected(to: server.port, settings: settings) { peer in
                try await peer.send(.windowUpdate(0, 1 << 24), .headers(1, FramePeer.get("/")))
                var sizes: [Int] = []
                while true {
                    let frame = try await peer.next(.data)
                    sizes.append(frame.payload.count)
                    if frame.endsStream { break }
                }
                #expect(sizes.reduce(0, +) == 800_000)
                #expect(sizes.max() == expected, "\(sizes)")
            }
        }
    }

    @Test(
        "over TLS the records of a streamed body are full: no header of a frame or chunk has a record of its own",
        arguments: ["h2", "http/1.1"])
    func records(applicationProtocol: String) async throws {
        // Reads the records' sizes before OpenSSL decrypts them.
        let script = """
            import socket, ssl, struct, sys
            port, name = int(sys.argv[1]), sys.argv[2]
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols([name])
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing)
            connection = socket.create_connection(("127.0.0.1", port))
            raw, sizes, count = b"", [], 0
            def receive():
                global raw
                received = connection.recv(65536)
                incoming.write(received) if received else incoming.write_eof()
                raw += received
                while len(raw) >= 5 and len(raw) >= 5 + (size := struct.unpack(">H", raw[3:5])[0]):
                    sizes.append(size)
                    raw = raw[5 + size:]
                return received
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    receive()
            if name == "h2":
                fields = b"".join(
                    b"\\0" + bytes([len(n)]) + n + bytes([len(v)]) + v
                    for n, v in [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")])
                tls.write(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + b"\\0\\0\\6\\4\\0\\0\\0\\0\\0" + struct.pack(">HI", 4, 1 << 24)
                    + b"\\0\\0\\4\\x08\\0\\0\\0\\0\\0" + struct.pack(">I", 1 << 24)
                    + struct.pack(">I", len(fields))[1:] + b"\\1\\5\\0\\0\\0\\1" + fields)
            else:
                tls.write(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
            connection.sendall(outgoing.read())
            while count < 4000000 and receive():
                try:
                    while plain := tls.read(65536): count += plain.count(b"a")
                except ssl.SSLWantReadError:
                    pass
            print(count, len(sizes), sum(size > 16000 for size in sizes), sum(size < 100 for size in sizes))
            """
        let pieces = Array(repeating: ByteBuffer(repeating: 0x61, count: 40_000), count: 100)
        try await withServer(Self.handler(pieces), tls: try await Transport.h2.certificate()) { server in
            let reader = await TestProcess.run("python3", ["-c", script, "\(server.port)", applicationProtocol])
            let counts = reader.output.split(separator: " ").compactMap { Int($0.filter(\.isNumber)) }
            try #require(counts.count == 4, "\(reader.output) \(reader.errors)")
            #expect(counts[0] >= 4_000_000)
            // A flush may end with a shorter record. On a slow machine it has few records.
            #expect(counts[2] * 10 >= counts[1] * 6, "\(counts[2]) full records of \(counts[1])")
            // Those of the handshake and of the ends of flushes. There are 100 chunks, and more than 240 frames.
            #expect(counts[3] < 20, "\(counts[3]) records of less than 100 bytes")
        }
    }
}
