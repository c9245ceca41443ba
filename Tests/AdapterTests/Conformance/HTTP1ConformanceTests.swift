import Adapters
import NIOCore
import Testing

/// Requests that violate RFC 9112 or use its rare forms. The server must refuse every ambiguous request.
@Suite("HTTP/1.1 conformance", .timeLimit(.minutes(10)))
struct HTTP1ConformanceTests {
    enum Outcome: Sendable {
        /// A response with this status; the connection closes, and later bytes are ignored.
        case ends(Int)
        /// The connection closes without a response, because the bytes are not HTTP. If ALPN selected HTTP/1.1, the response
        /// is 400.
        case closed
        /// A response with this status; the next request on the connection gets 200.
        case refuses(Int)
        /// A response with status 200 and this body; the next request on the connection gets 200 too.
        case answers(String)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let outcome: Outcome
        let text: String
        var testDescription: String { name }

        init(_ name: String, _ outcome: Outcome, _ text: String) {
            self.name = name
            self.outcome = outcome
            self.text = text
        }

        /// A GET with these lines after `Host`.
        static func fields(_ name: String, _ outcome: Outcome, _ lines: String) -> Row {
            Row(name, outcome, "GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n\r\n")
        }

        /// A POST with these lines and this body.
        static func body(_ name: String, _ outcome: Outcome, _ lines: String, _ body: String = "") -> Row {
            Row(name, outcome, "POST / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n\r\n\(body)")
        }

        static func chunks(_ name: String, _ outcome: Outcome, _ body: String) -> Row {
            .body(name, outcome, "Transfer-Encoding: chunked", body)
        }
    }

    private static func line(_ name: String, _ outcome: Outcome, _ line: String) -> Row {
        Row(name, outcome, line + "\r\nHost: a\r\n\r\n")
    }

    private static let got = Outcome.answers("GET / a ")
    private static let posted = Outcome.answers("POST / a hello")
    /// The handler fails to read the body.
    private static let broken = Outcome.ends(400)

    // MARK: The request line

    private static let lines = [
        line("a path", got, "GET / HTTP/1.1"),
        Row("an empty line before the request", got, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        line("the asterisk of OPTIONS", .answers("OPTIONS * a "), "OPTIONS * HTTP/1.1"),
        line("the asterisk of another method", .ends(400), "GET * HTTP/1.1"),
        line("the absolute form", .answers("GET /b?c a "), "GET http://a/b?c HTTP/1.1"),
        line("the absolute form without a path", got, "GET HTTP://A HTTP/1.1"),
        line("the absolute form of another host", .ends(400), "GET http://b/ HTTP/1.1"),
        line("the absolute form with a user", .ends(400), "GET http://u@a/ HTTP/1.1"),
        line("the absolute form of another scheme", .ends(400), "GET ftp://a/ HTTP/1.1"),
        line("the authority form", .ends(400), "GET a:80 HTTP/1.1"),
        line("CONNECT", .ends(405), "CONNECT a:80 HTTP/1.1"),
        line("an unknown method", .ends(501), "BREW / HTTP/1.1"),
        line("a method in lower case", .ends(501), "get / HTTP/1.1"),
        line("a fragment", .ends(400), "GET /#a HTTP/1.1"),
        line("a space in the target", .closed, "GET / a HTTP/1.1 b"),
        line("NUL in the target", .ends(400), "GET /\u{0} HTTP/1.1"),
        line("letters beyond ASCII in the target", .ends(400), "GET /ä HTTP/1.1"),
        line("no target", .ends(400), "GET HTTP/1.1"),
        line("two spaces after the method", got, "GET  / HTTP/1.1"),
        line("no version", .closed, "GET /"),
        line("version 0.9", .closed, "GET / HTTP/0.9"),
        line("version 1.2", .ends(400), "GET / HTTP/1.2"),
        line("version 2.0", .closed, "GET / HTTP/2.0"),
        line("a version in lower case", .closed, "GET / http/1.1"),
        line("a version with more digits", .closed, "GET / HTTP/1.10"),
        line("a target beyond the limit", .refuses(414), "GET /\(String(repeating: "a", count: 8001)) HTTP/1.1"),
        line("a target far beyond the limit", .ends(414), "GET /\(String(repeating: "a", count: 100_000)) HTTP/1.1"),
        Row("HTTP/1.0 without a host", .ends(200), "GET / HTTP/1.0\r\n\r\n"),
        Row("HTTP/1.0 with keep-alive", .ends(200), "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"),
    ]

    // MARK: Fields

    private static let fields =
        [
            Row("no Host", .ends(400), "GET / HTTP/1.1\r\n\r\n"),
            .fields("Host twice", .ends(400), "Host: a"),
            Row("an empty Host", .ends(400), "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        ]
        + ["a b", "u@a", "a/b", "a,b", "a#b", "a?b", "a\\b"].map {
            Row("the Host \($0)", .ends(400), "GET / HTTP/1.1\r\nHost: \($0)\r\n\r\n")
        }
        + [
            Row("bare LF after the request line", .ends(400), "GET / HTTP/1.1\nHost: a\r\n\r\n"),
            Row("bare LF after a field", .ends(400), "GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n"),
            Row("bare LF at the end", .ends(400), "GET / HTTP/1.1\r\nHost: a\r\n\n"),
            .fields("bare CR in a value", .ends(400), "B: c\rd"),
            .fields("NUL in a value", .ends(400), "B: c\u{0}d"),
            .fields("a control character in a value", .ends(400), "B: c\u{1}d"),
            .fields("DEL in a value", .ends(400), "B: c\u{7F}d"),
            .fields("a tab in a value", got, "B: c\td"),
            .fields("letters beyond ASCII in a value", got, "B: ä"),
            .fields("an empty value", got, "B:"),
            .fields("a folded line", .ends(400), "B: c\r\n d"),
            .fields("a line folded with a tab", .ends(400), "B: c\r\n\td"),
            Row("a space before the first field", .ends(400), "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
            .fields("a space before the colon", .ends(400), "B : c"),
            .fields("a tab before the colon", .ends(400), "B\t: c"),
            .fields("an empty name", .ends(400), ": c"),
            .fields("no colon", .ends(400), "B"),
            .fields("letters beyond ASCII in a name", .ends(400), "ä: c"),
            .fields("a parenthesis in a name", .ends(400), "B(: c"),
            .fields("NUL in a name", .ends(400), "B\u{0}: c"),
            .fields("a pseudo-header field", .ends(400), ":path: /b"),
            .fields("an unknown expectation", .refuses(417), "Expect: a miracle"),
            .fields("a field too large", .ends(431), "B: \(String(repeating: "c", count: 20_000))"),
            .fields("a name too large", .ends(431), "\(String(repeating: "c", count: 20_000)): B"),
            .fields("too many fields", .ends(431), (0..<200).map { "B\($0): c" }.joined(separator: "\r\n")),
            .fields("an upgrade to h2c", .ends(200), "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"),
            .fields("Connection: close", .ends(200), "Connection: close"),
            .fields("Connection: CLOSE among others", .ends(200), "Connection: keep-alive, CLOSE"),
        ]

    // MARK: Bodies

    private static let bodies =
        [
            .body("Content-Length", posted, "Content-Length: 5", "hello"),
            .body("no Content-Length", .answers("POST / a "), "B: c"),
            .body(
                "Content-Length, then Transfer-Encoding", .ends(400), "Content-Length: 5\r\nTransfer-Encoding: chunked",
                "0\r\n\r\n"),
            .body(
                "Transfer-Encoding, then Content-Length", .ends(400), "Transfer-Encoding: chunked\r\nContent-Length: 5",
                "0\r\n\r\n"),
            .body(
                "two different values of Content-Length", .ends(400), "Content-Length: 5\r\nContent-Length: 6", "hello"),
            .body("the same Content-Length twice", .ends(400), "Content-Length: 5\r\nContent-Length: 5", "hello"),
        ]
        + [
            "5, 5", "5,6", "+5", "-5", "0x5", "5a", "5 5", "", "5.0", "\u{0665}", "9223372036854775808",
            "18446744073709551621",
        ]
        .map { Row.body("Content-Length '\($0)'", .ends(400), "Content-Length: \($0)", "hello") }
        + [
            "gzip", "identity", "identity, chunked", "chunked, identity", "gzip, chunked", "chunked, chunked",
            "xchunked",
            "chunked;a=b", "\"chunked\"", "chunked,", "chunk", "", "\u{B}chunked",
        ].map {
            Row.body("Transfer-Encoding '\($0)'", .ends(400), "Transfer-Encoding: \($0)", "5\r\nhello\r\n0\r\n\r\n")
        }
        + [
            .body("Transfer-Encoding in upper case", posted, "Transfer-Encoding: CHUNKED", "5\r\nhello\r\n0\r\n\r\n"),
            .body(
                "two Transfer-Encoding fields", .ends(400), "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                "5\r\nhello\r\n0\r\n\r\n"),
            .body(
                "a space before the colon of Transfer-Encoding", .ends(400), "Transfer-Encoding : chunked", "0\r\n\r\n"),
            Row(
                "chunks in HTTP/1.0", .ends(400),
                "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ]

    private static let chunks: [Row] =
        [
            .chunks("chunks", posted, "2\r\nhe\r\n03\r\nllo\r\n0\r\n\r\n"),
            .chunks("a chunk size of 16 digits", posted, "0000000000000005\r\nhello\r\n0\r\n\r\n"),
            .chunks("a chunk size of 17 digits", broken, "00000000000000005\r\nhello\r\n0\r\n\r\n"),
            .chunks("a chunk size of 2^64", broken, "10000000000000000\r\nhello\r\n0\r\n\r\n"),
            .chunks("extensions", posted, "5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n"),
            .chunks("an extension too long", broken, "5;\(String(repeating: "a", count: 300))\r\nhello\r\n0\r\n\r\n"),
            .chunks(
                "extensions whose total is too long", broken,
                String(repeating: "1;\(String(repeating: "a", count: 200))\r\nh\r\n", count: 30) + "0\r\n\r\n"),
            .chunks("bare LF in an extension", broken, "5;a\nb\r\nhello\r\n0\r\n\r\n"),
            .chunks("trailers", posted, "5\r\nhello\r\n0\r\nTrailer: b\r\n\r\n"),
            .chunks("Content-Length in trailers", broken, "5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n"),
            .chunks("a folded trailer", broken, "5\r\nhello\r\n0\r\nB: c\r\n d\r\n\r\n"),
            .chunks("a trailer without a name", broken, "5\r\nhello\r\n0\r\n: c\r\n\r\n"),
            .chunks(
                "a trailer too large", broken, "5\r\nhello\r\n0\r\nB: \(String(repeating: "c", count: 20_000))\r\n\r\n"),
            .chunks("bare LF after a chunk size", broken, "5\nhello\r\n0\r\n\r\n"),
            .chunks("bare LF after a chunk", broken, "5\r\nhello\n0\r\n\r\n"),
            .chunks("bare CR after a chunk size", broken, "5\rhello\r\n0\r\n\r\n"),
            .chunks("bare LF at the end", broken, "5\r\nhello\r\n0\r\n\n"),
            .chunks("a chunk longer than its size", broken, "4\r\nhello\r\n0\r\n\r\n"),
            .chunks("no chunk size", broken, "\r\nhello\r\n0\r\n\r\n"),
        ]
        + ["0x5", "+5", "-5", " 5", "5 ", "5\t", "5_0", "g", "5,", "\u{0}5"].map {
            .chunks("chunk size '\($0)'", broken, "\($0)\r\nhello\r\n0\r\n\r\n")
        }

    @Test(
        "the server answers a request as RFC 9112 requires", arguments: [false, true], lines + fields + bodies + chunks)
    func row(isEncrypted: Bool, row: Row) async throws {
        let transport = Transport.http1
        let certificate = isEncrypted ? try await transport.certificate() : nil
        var limits = Limits()
        limits.lingerMax = .milliseconds(50)
        try await withServer(ScriptedHandler.echo, limits: limits, tls: certificate) { server in
            let trust = isEncrypted ? try await transport.trust() : nil
            try await TextPeer.connected(to: server.port, tls: trust) { peer in
                // The server may refuse the request and close the connection before all bytes are sent.
                do { try await peer.send(row.text) } catch is ChannelError, is IOError {}
                let outcome: Outcome
                if case .closed = row.outcome, isEncrypted { outcome = .ends(400) } else { outcome = row.outcome }
                switch outcome {
                case .answers(let text):
                    #expect(try await peer.response().hasSuffix("\r\n\r\n\(text)"))
                    try await peer.request("GET", "/next", "Connection: close")
                    #expect(try await peer.untilClosed().hasSuffix("\r\n\r\nGET /next localhost "))
                case .refuses(let status):
                    #expect(try await peer.response().hasPrefix("HTTP/1.1 \(status) "))
                    try await peer.request("GET", "/next", "Connection: close")
                    #expect(try await peer.untilClosed().hasSuffix("\r\n\r\nGET /next localhost "))
                case .ends(let status):
                    // Bytes after a refused request must not be read as a request.
                    do {
                        try await peer.request("GET", "/smuggled")
                    } catch is ChannelError, is IOError {}
                    let all = try await peer.untilClosed()
                    #expect(all.hasPrefix("HTTP/1.1 \(status) "), "\(all)")
                    #expect(all.contains("connection: close\r\n"), "\(all)")
                    #expect(all.ranges(of: "HTTP/1.1 ").count == 1, "\(all)")
                case .closed: #expect(try await peer.untilClosed() == "")
                }
            }
        }
    }
}
