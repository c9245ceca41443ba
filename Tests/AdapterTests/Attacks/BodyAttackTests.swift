import Adapters
import Logging
import NIOCore
import Testing

@Suite("Attacks with request bodies", .timeLimit(.minutes(10)))
struct BodyAttackTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let reason: Defence
        /// Text that the response contains.
        let answer: String
        let script: @Sendable (HTTPServer) async throws -> String
        var testDescription: String { name }

        /// - Parameter script: Sends the body, after the head of a POST.
        static func http2(
            _ name: String, _ reason: Defence, _ answer: String, _ fields: (String, String)...,
            script: @escaping @Sendable (inout FramePeer) async throws -> Void
        ) -> Row {
            Row(name: name + ", over HTTP/2", reason: reason, answer: answer) { server in
                var text = ""
                try await FramePeer.connected(to: server.port) { peer in
                    try await peer.send(.headers(1, FramePeer.request("POST", "/read") + fields, endsStream: false))
                    try await script(&peer)
                    text = String(decoding: try await peer.next(.data).payload, as: UTF8.self)
                    // The server does not need the rest of the body (RFC 9113, 8.1).
                    #expect(try await peer.next(.reset).errorCode == HTTP2ErrorCode.noError.rawValue)
                }
                return text
            }
        }

        static func http1(
            _ name: String, _ reason: Defence, _ answer: String, _ field: String,
            script: @escaping @Sendable (inout TextPeer) async throws -> Void
        ) -> Row {
            Row(name: name + ", over HTTP/1.1", reason: reason, answer: answer) { server in
                var text = ""
                try await TextPeer.connected(to: server.port) { peer in
                    try await peer.request("POST", "/read", field)
                    // The server may close the connection while the script still sends.
                    do { try await script(&peer) } catch is ChannelError, is IOError {}
                    text = try await peer.untilClosed()
                }
                return text
            }
        }
    }

    private static let large = [UInt8](repeating: 0x61, count: 16_384)
    private static let chunk = "1000\r\n" + String(repeating: "a", count: 4096) + "\r\n"

    private static let rows: [Row] = [
        .http2("huge Content-Length", .bodyBytes, "413", ("content-length", "10000000000")) { _ in },
        .http1("huge Content-Length", .bodyBytes, " 413 ", "Content-Length: 10000000000") { _ in },
        .http2("huge body", .bodyBytes, "413") { peer in
            for _ in 0..<5 { try await peer.send(.data(1, large)) }
        },
        .http1("huge body", .bodyBytes, " 413 ", "Transfer-Encoding: chunked") { peer in
            for _ in 0..<1000 { try await peer.send(chunk) }
        },
        .http2("slow body", .slowBody, "408") { peer in
            for _ in 0..<20 {
                try await peer.send(.data(1, [0x61]))
                try await peer.pause()
            }
        },
        .http1("slow body", .slowBody, " 408 ", "Content-Length: 1000") { peer in
            for _ in 0..<20 { try await peer.dribble("a") }
        },
        .http1("chunk extensions", .chunkExtensions, " 400 ", "Transfer-Encoding: chunked") { peer in
            for _ in 0..<1000 { try await peer.send("1;\(String(repeating: "a", count: 100))\r\na\r\n") }
        },
    ]

    private static let handler = ScriptedHandler { request in
        guard request.method.elementsEqual("POST".utf8) else { return .now(.text("hello")) }
        return .eventually {
            do throws(HTTPFailure) {
                _ = try await request.body.collect(bytesMax: .max)
                return .text("read")
            } catch {
                return .text("408", status: error == .timedOut ? 408 : 400)
            }
        }
    }

    @Test("the server answers with an error, counts the attack, and frees its memory", arguments: rows)
    func row(row: Row) async throws {
        let defences = DefenceLog(logger: .silent)
        var limits = Limits()
        limits.lingerMax = .milliseconds(200)
        var timeouts = Timeouts.longTimeouts
        if row.reason == .slowBody { timeouts.bodyRateGrace = .milliseconds(300) }
        try await withServer(Self.handler, limits: limits, timeouts: timeouts, defences: defences) { server in
            try await FramePeer.connected(to: server.port) { bystander in
                #expect(try await row.script(server).contains(row.answer))
                #expect(defences.count(of: row.reason) > 0)
                try await bystander.send(.headers(1, FramePeer.get("/")))
                #expect(try await bystander.next(.data).payload == Array("hello".utf8))
                try await server.load.untilAtRest()
            }
        }
    }
}
