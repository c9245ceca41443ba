import Adapters
import NIOCore
import Testing

/// Frames that violate RFC 9113 or RFC 7541, or use their rare forms.
@Suite("HTTP/2 conformance", .timeLimit(.minutes(10)))
struct HTTP2ConformanceTests {
    typealias Frame = FramePeer.Frame

    enum Outcome: Sendable {
        /// A connection error with this code.
        case ends(HTTP2ErrorCode)
        /// A stream error with this code; the connection stays open.
        case resets(HTTP2ErrorCode)
        /// The request on stream 1 gets a response; the connection stays open.
        case answers
        /// The frames are ignored; the connection stays open.
        case ignores
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let outcome: Outcome
        let frames: [Frame]
        var testDescription: String { name }

        init(_ name: String, _ outcome: Outcome, _ frames: Frame...) {
            self.name = name
            self.outcome = outcome
            self.frames = frames
        }
    }

    private static let get = FramePeer.get("/")

    private static func request(_ fields: (String, String)..., replacing name: String? = nil) -> Frame {
        .headers(1, get.filter { $0.0 != name } + fields)
    }

    private static func frame(
        _ kind: Frame.Kind, _ stream: UInt32, _ payload: [UInt8] = [], flags: UInt8 = 0
    ) -> Frame {
        Frame(kind: kind, flags: flags, stream: stream, payload: payload)
    }

    /// Opens a stream that stays open.
    private static let open = Frame.headers(1, FramePeer.request("POST", "/wait"), endsStream: false)
    /// Opens a stream whose request is complete and whose response is not.
    private static let halfClosed = Frame.headers(1, FramePeer.get("/wait"))

    private static func section(_ bytes: [UInt8]) -> Frame { .headers(1, section: FramePeer.encode(get) + bytes) }

    // MARK: Frames

    private static let frames = [
        Row(
            "a frame above SETTINGS_MAX_FRAME_SIZE", .ends(.frameSizeError), open,
            .data(1, Array(repeating: 0, count: 16_385))),
        Row("DATA on stream 0", .ends(.protocolError), .data(0, [1])),
        Row("HEADERS on stream 0", .ends(.protocolError), .headers(0, get)),
        Row("PRIORITY on stream 0", .ends(.protocolError), .priority(0)),
        Row("RST_STREAM on stream 0", .ends(.protocolError), .reset(0, 8)),
        Row("SETTINGS on a stream", .ends(.protocolError), frame(.settings, 1)),
        Row("PING on a stream", .ends(.protocolError), frame(.ping, 1, Array(repeating: 0, count: 8))),
        Row("GOAWAY on a stream", .ends(.protocolError), frame(.goAway, 1, Array(repeating: 0, count: 8))),
        Row("CONTINUATION on stream 0", .ends(.protocolError), .continuation(0, [], endsSection: true)),
        Row("CONTINUATION without HEADERS", .ends(.protocolError), .continuation(1, [], endsSection: true)),
        Row(
            "PUSH_PROMISE from a client", .ends(.protocolError), halfClosed, frame(.pushPromise, 1, [0, 0, 0, 2, 0x82])),
        Row(
            "HEADERS between HEADERS and CONTINUATION", .ends(.protocolError),
            .headers(1, section: [], endsSection: false), .headers(3, get)),
        Row(
            "an unknown frame between HEADERS and CONTINUATION", .ends(.protocolError),
            .headers(1, section: [], endsSection: false), frame(.init(rawValue: 0xFA), 1)),
        Row(
            "HEADERS in three parts", .answers,
            .headers(1, section: Array(FramePeer.encode(get).prefix(5)), endsSection: false),
            .continuation(1, Array(FramePeer.encode(get).dropFirst(5).prefix(5))),
            .continuation(1, Array(FramePeer.encode(get).dropFirst(10)), endsSection: true)),
        Row("padding as long as DATA", .ends(.protocolError), open, frame(.data, 1, [3, 0, 0], flags: 8)),
        Row("padding as long as HEADERS", .ends(.protocolError), frame(.headers, 1, [9, 0x82], flags: 0xD)),
        Row(
            "padded HEADERS", .answers,
            frame(.headers, 1, [3] + FramePeer.encode(get) + [0, 0, 0], flags: 0xD)),
        Row(
            "HEADERS with a priority", .answers,
            frame(.headers, 1, [0, 0, 0, 0, 15] + FramePeer.encode(get), flags: 0x25)),
        Row(
            "HEADERS that depend on themselves", .ends(.protocolError),
            frame(.headers, 1, [0, 0, 0, 1, 15] + FramePeer.encode(get), flags: 0x25)),
        Row("PRIORITY that depends on itself", .ends(.protocolError), open, .priority(1, dependsOn: 1)),
        Row("PRIORITY of a wrong length", .ends(.frameSizeError), open, frame(.priority, 1, [0, 0, 0, 0])),
        Row("RST_STREAM of a wrong length", .ends(.frameSizeError), open, frame(.reset, 1, [0, 0, 0])),
        Row("SETTINGS of a wrong length", .ends(.frameSizeError), frame(.settings, 0, [0, 1, 2])),
        Row(
            "a SETTINGS acknowledgement with a payload", .ends(.frameSizeError),
            frame(.settings, 0, [0, 3, 0, 0, 0, 9], flags: 1)),
        Row("PING of a wrong length", .ends(.frameSizeError), frame(.ping, 0, Array(repeating: 0, count: 6))),
        Row("GOAWAY too short", .ends(.frameSizeError), frame(.goAway, 0, [0, 0, 0, 0])),
        Row("WINDOW_UPDATE of a wrong length", .ends(.frameSizeError), frame(.windowUpdate, 0, [0, 0, 1])),
        Row("an unknown frame", .ignores, frame(.init(rawValue: 0xFA), 0, [1, 2, 3]), frame(.init(rawValue: 0xFA), 7)),
        Row("PING with an unknown flag", .ignores, frame(.ping, 0, Array(repeating: 0, count: 8), flags: 0x16)),
        Row("a PING acknowledgement without a PING", .ignores, .ping(isAcknowledgement: true)),
        Row("a reserved bit", .answers, .headers(0x8000_0001, get)),
    ]

    // MARK: SETTINGS and windows

    private static let settings = [
        Row("SETTINGS_ENABLE_PUSH of 2", .ends(.protocolError), .settings([(2, 2)])),
        Row("SETTINGS_INITIAL_WINDOW_SIZE of 2^31", .ends(.flowControlError), .settings([(4, 0x8000_0000)])),
        Row("SETTINGS_MAX_FRAME_SIZE of 16383", .ends(.protocolError), .settings([(5, 16_383)])),
        Row("SETTINGS_MAX_FRAME_SIZE of 2^24", .ends(.protocolError), .settings([(5, 16_777_216)])),
        Row("SETTINGS_ENABLE_CONNECT_PROTOCOL of 2", .ends(.protocolError), .settings([(8, 2)])),
        Row("an unknown setting", .ignores, .settings([(0xFA, 1)])),
        Row("the same setting twice", .ignores, .settings([(4, 1), (4, 100)])),
        Row("WINDOW_UPDATE of 0 on the connection", .ends(.protocolError), .windowUpdate(0, 0)),
        Row("WINDOW_UPDATE of 0 on a stream", .ends(.protocolError), open, .windowUpdate(1, 0)),
        Row("a window of the connection above 2^31-1", .ends(.flowControlError), .windowUpdate(0, 0x7FFF_FFFF)),
        Row("a window of a stream above 2^31-1", .resets(.flowControlError), open, .windowUpdate(1, 0x7FFF_FFFF)),
        Row(
            "SETTINGS that overflow the window of a stream", .ends(.flowControlError),
            .headers(1, FramePeer.get("/wait")), .windowUpdate(1, 0x7000_0000), .settings([(4, 0x7FFF_FFFF)])),
        Row(
            "DATA beyond the window of a stream", .resets(.flowControlError), open,
            .data(1, Array(repeating: 0, count: 16_384)), .data(1, Array(repeating: 0, count: 16_384)),
            .data(1, Array(repeating: 0, count: 16_384)), .data(1, Array(repeating: 0, count: 16_384))),
    ]

    // MARK: Streams

    private static let streams = [
        Row("an even stream", .ends(.protocolError), .headers(2, get)),
        Row("a stream identifier below an earlier one", .ends(.protocolError), .headers(5, get), .headers(3, get)),
        Row("DATA on an idle stream", .ends(.protocolError), .data(1, [1])),
        Row("RST_STREAM on an idle stream", .ends(.protocolError), .reset(1, 8)),
        Row("WINDOW_UPDATE on an idle stream", .ends(.protocolError), .windowUpdate(1, 1)),
        Row("PRIORITY on an idle stream", .ignores, .priority(3)),
        Row("DATA on a half-closed stream", .ends(.streamClosed), halfClosed, .data(1, [1])),
        Row("HEADERS on a half-closed stream", .ends(.streamClosed), halfClosed, .headers(1, get)),
        Row("WINDOW_UPDATE on a half-closed stream", .ignores, halfClosed, .windowUpdate(1, 1)),
        Row("DATA on a stream that the client reset", .ends(.streamClosed), open, .reset(1, 8), .data(1, [1])),
        Row("HEADERS on a stream that the client reset", .ends(.streamClosed), open, .reset(1, 8), .headers(1, get)),
        Row("WINDOW_UPDATE on a stream that was reset", .ignores, open, .reset(1, 8), .windowUpdate(1, 1)),
        Row("RST_STREAM on a stream that was reset", .ignores, open, .reset(1, 8), .reset(1, 8)),
        Row("PRIORITY on a stream that was reset", .ignores, open, .reset(1, 8), .priority(1)),
    ]

    // MARK: Messages

    private static let messages =
        [
            Row("a request without :method", .resets(.protocolError), request(replacing: ":method")),
            Row("a request without :scheme", .resets(.protocolError), request(replacing: ":scheme")),
            Row("a request without :path", .resets(.protocolError), request(replacing: ":path")),
            Row("an empty :path", .resets(.protocolError), request((":path", ""), replacing: ":path")),
            Row("a pseudo-header field twice", .resets(.protocolError), request((":path", "/"))),
            Row("an unknown pseudo-header field", .resets(.protocolError), request((":x", "y"))),
            Row("a pseudo-header field of responses", .resets(.protocolError), request((":status", "200"))),
            Row(
                "extended CONNECT without the setting that allows it", .resets(.protocolError),
                request((":protocol", "websocket"))),
            Row(
                "a pseudo-header field after a regular field", .resets(.protocolError), .headers(1, [("a", "b")] + get)),
            Row("pseudo-header fields in trailers", .resets(.protocolError), open, .headers(1, [(":path", "/")])),
            Row(
                "trailers that do not end the stream", .resets(.protocolError), open,
                .headers(1, [("a", "b")], endsStream: false)),
            Row("a name in upper case", .resets(.protocolError), request(("Name", "value"))),
            Row("an empty name", .resets(.protocolError), request(("", "value"))),
            Row("te: trailers", .answers, request(("te", "trailers"))),
            Row("te: gzip", .resets(.protocolError), request(("te", "gzip"))),
            Row("cookie crumbs", .answers, request(("cookie", "a=b"), ("cookie", "c=d"))),
            Row(
                "a body longer than its Content-Length", .resets(.protocolError),
                .headers(1, FramePeer.request("POST", "/wait", ("content-length", "1")), endsStream: false),
                .data(1, [1, 2])),
            Row(
                "a body shorter than its Content-Length", .resets(.protocolError),
                .headers(1, FramePeer.request("POST", "/wait", ("content-length", "3")), endsStream: false),
                .data(1, [1, 2], endsStream: true)),
            Row("Content-Length 1 without a body", .resets(.protocolError), request(("content-length", "1"))),
            Row(
                "two Content-Length fields", .resets(.protocolError),
                request(("content-length", "0"), ("content-length", "0"))),
            Row("Content-Length with a sign", .resets(.protocolError), request(("content-length", "+0"))),
        ]
        + ["connection", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection"].map {
            Row("the field \($0)", .resets(.protocolError), request(($0, "x")))
        }
        + [("CR", "\r"), ("LF", "\n"), ("NUL", "\0")].flatMap { name, byte in
            [
                Row("\(name) in a name", .resets(.protocolError), request(("a\(byte)b", "x"))),
                Row("\(name) in a value", .resets(.protocolError), request(("a", "x\(byte)y"))),
                Row("\(name) in :path", .resets(.protocolError), request((":path", "/\(byte)"), replacing: ":path")),
                Row(
                    "\(name) in :authority", .resets(.protocolError),
                    request((":authority", "a\(byte)"), replacing: ":authority")),
                Row(
                    "\(name) in :method", .resets(.protocolError),
                    request((":method", "GET\(byte)"), replacing: ":method")),
            ]
        }
        + [" ", ":", "(", "ä"].map { Row("\($0) in a name", .resets(.protocolError), request(("a\($0)b", "x"))) }

    // MARK: HPACK

    private static let compression = [
        Row("a table size update after a field", .ends(.compressionError), section([0x20])),
        Row(
            "a table size update above the limit", .ends(.compressionError),
            .headers(1, section: [0x3F, 0xE2, 0x1F] + FramePeer.encode(get))),
        Row(
            "a table size update", .answers, .headers(1, section: [0x20, 0x3F, 0xE1, 0x1F] + FramePeer.encode(get))),
        Row("index 0", .ends(.compressionError), section([0x80])),
        Row("an index beyond the tables", .ends(.compressionError), section([0xBE])),
        Row("a name index beyond the tables", .ends(.compressionError), section([0x7E, 1, 0x61])),
        Row("a truncated string", .ends(.compressionError), section([0, 5, 0x61])),
        Row(
            "an integer without end", .ends(.compressionError),
            section([0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])),
        Row(
            "Huffman padding of more than 7 bits", .ends(.compressionError), section([0, 0x82, 0x1F, 0xFF, 1, 0x61])),
        Row(
            "Huffman padding that is not all ones", .ends(.compressionError),
            section([0, 0x81, 0x18, 1, 0x61])),
        Row(
            "EOS in a Huffman-coded string", .ends(.compressionError),
            section([0, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0x61])),
    ]

    private static let handler = ScriptedHandler { request in
        guard request.path.elementsEqual("/wait".utf8) else { return .now(.text("hello")) }
        return .eventually {
            await untilCancelled()
            return .text("too late")
        }
    }

    @Test(
        "the server answers frames as RFC 9113 and RFC 7541 require", arguments: [Transport.h2c, .h2],
        frames + settings + streams + messages + compression)
    func row(transport: Transport, row: Row) async throws {
        try await withServer(Self.handler, tls: try await transport.certificate()) { server in
            try await FramePeer.connected(to: server.port, tls: try await transport.trust()) { peer in
                _ = try await peer.settle()
                // The server may close the connection before all frames are sent.
                do { try await peer.send(row.frames) } catch is ChannelError, is IOError {}
                switch row.outcome {
                case .ends(let code):
                    let received = try await peer.untilClosed().last { $0.kind == .goAway }?.errorCode
                    #expect(received == nil || received == code.rawValue)
                    return
                case .resets(let code): #expect(try await peer.next(.reset).errorCode == code.rawValue)
                case .answers: #expect(try await peer.next(.data) == .data(1, Array("hello".utf8), endsStream: true))
                case .ignores: #expect(try await !peer.settle().contains { $0.kind == .goAway || $0.kind == .reset })
                }
                try await peer.send(.headers(101, Self.get))
                #expect(try await peer.next(.data) == .data(101, Array("hello".utf8), endsStream: true))
            }
        }
    }

    // MARK: More than one step

    @Test(
        "a changed SETTINGS_INITIAL_WINDOW_SIZE applies to open streams, whose window may become negative",
        arguments: [Transport.h2c, .h2])
    func window(transport: Transport) async throws {
        let handler = ScriptedHandler { _ in .now(.text(String(repeating: "a", count: 20))) }
        try await withServer(handler, tls: try await transport.certificate()) { server in
            try await FramePeer.connected(
                to: server.port, tls: try await transport.trust(), settings: [(4, 10)]
            ) { peer in
                try await peer.send(.headers(1, Self.get))
                #expect(try await peer.next(.data).payload.count == 10)
                // 10 bytes were sent, so the window becomes -7, and 3 with the increment of 10.
                try await peer.send(.settings([(4, 3)]), .windowUpdate(1, 10))
                #expect(try await peer.next(.data).payload.count == 3)
                try await peer.send(.settings([(4, 100)]))
                let rest = try await peer.next(.data)
                #expect(rest.payload.count == 7 && rest.endsStream)
            }
        }
    }

    @Test(
        "DATA that the handler does not read is credited to the connection window, including padding",
        arguments: [Transport.h2c, .h2])
    func credit(transport: Transport) async throws {
        let handler = ScriptedHandler { _ in .now(.text("no", status: 405)) }
        try await withServer(handler, tls: try await transport.certificate()) { server in
            try await FramePeer.connected(to: server.port, tls: try await transport.trust()) { peer in
                let padded = Frame(
                    kind: .data, flags: 8, payload: [200] + Array(repeating: 0, count: 10_000))
                // More bytes than the connection window in total, each within its stream window.
                for stream in stride(from: UInt32(1), to: 241, by: 2) {
                    try await peer.send(.headers(stream, FramePeer.request("POST", "/"), endsStream: false))
                    #expect(try await peer.next(.data).payload == Array("no".utf8))
                    var data = padded
                    data.stream = stream
                    try await peer.send(data, .reset(stream, 0))
                }
                #expect(try await !peer.settle().contains { $0.kind == .goAway })
            }
        }
    }

    @Test("a refused stream updates the HPACK table, so later requests still decode", arguments: [Transport.h2c, .h2])
    func refusedStream(transport: Transport) async throws {
        var limits = Limits()
        limits.streamsOpenMax = 1
        try await withServer(Self.handler, limits: limits, tls: try await transport.certificate()) { server in
            try await FramePeer.connected(
                to: server.port, tls: try await transport.trust(), acknowledges: false
            ) { peer in
                try await peer.send(Self.open)
                let indexed = FramePeer.encodeIndexed(":path", "/indexed")
                let others = FramePeer.encode(Self.get.filter { $0.0 != ":path" })
                try await peer.send(.headers(3, section: others + indexed))
                #expect(try await peer.next(.reset).errorCode == HTTP2ErrorCode.refusedStream.rawValue)
                try await peer.send(.reset(1, 8))
                _ = try await peer.settle()
                // Refers to the table entry that the refused request added.
                try await peer.send(.headers(5, section: others + [0xBE]))
                #expect(try await peer.next(.data) == .data(5, Array("hello".utf8), endsStream: true))
            }
        }
    }

    @Test("responses to HEAD and responses with 204 or 304 have no DATA", arguments: [Transport.h2c, .h2])
    func withoutBody(transport: Transport) async throws {
        let handler = ScriptedHandler { request in
            switch String(decoding: request.path, as: UTF8.self) {
            case "/204": .now(HTTPResponse(status: 204))
            case "/304": .now(HTTPResponse(status: 304))
            default: .now(.text("hello"))
            }
        }
        try await withServer(handler, tls: try await transport.certificate()) { server in
            try await FramePeer.connected(to: server.port, tls: try await transport.trust()) { peer in
                try await peer.send(
                    .headers(1, FramePeer.request("HEAD", "/")), .headers(3, FramePeer.get("/204")),
                    .headers(5, FramePeer.get("/304")))
                for stream: UInt32 in [1, 3, 5] {
                    let head = try await peer.next(.headers)
                    #expect(head.stream == stream && head.endsStream)
                }
                #expect(try await !peer.settle().contains { $0.kind == .data })
            }
        }
    }
}

extension HTTP2ErrorCode {
    fileprivate static let streamClosed = HTTP2ErrorCode(rawValue: 0x5)
    fileprivate static let frameSizeError = HTTP2ErrorCode(rawValue: 0x6)
    fileprivate static let compressionError = HTTP2ErrorCode(rawValue: 0x9)
}
