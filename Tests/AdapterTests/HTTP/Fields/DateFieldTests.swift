import Adapters
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Testing

/// The `Date` field (RFC 9110, 6.6.1).
@Suite("Date field", .timeLimit(.minutes(10)))
struct DateFieldTests {
    private static var pattern: Regex<Substring> {
        /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT/
    }

    private static var now: Int64 { Int64(Date.now.timeIntervalSince1970) }

    /// Checks that `text` is a valid date between `start` and now.
    private func check(_ text: String?, since start: Int64, _ comment: Comment? = nil) throws {
        let text = try #require(text, comment)
        #expect(text.wholeMatch(of: Self.pattern) != nil, comment)
        let seconds = try #require(HTTPDate.secondsSinceEpoch(text), comment)
        #expect((start...Self.now).contains(seconds), comment)
    }

    /// Answers with the status named in the path: at once, asynchronously, or as a stream.
    private static let handler = ScriptedHandler { request in
        let path = String(decoding: request.path, as: UTF8.self)
        let status = Int(path.split(separator: "/").last ?? "") ?? 200
        switch path.split(separator: "/").first {
        case "later": return .eventually { HTTPResponse(status: status) }
        case "stream": return .stream(HTTPResponse(status: status)) { _ in .complete }
        case "own":
            var response = HTTPResponse(status: status)
            response.fields.append(.date, "Sun, 06 Nov 1994 08:49:37 GMT")
            return .now(response)
        case _: return .now(HTTPResponse(status: status))
        }
    }

    @Test(
        "every final response has one Date field with the current time", arguments: Transport.allCases,
        ["/now", "/later", "/stream"])
    func statuses(transport: Transport, way: String) async throws {
        let server = try await HTTPServer(
            host: "127.0.0.1", port: 0, group: .singleton, handler: Self.handler,
            configuration: .test(tls: try await transport.certificate()), logger: .silent)
        let client = try await transport.client(of: server)
        try await withServices([server]) {
            for status in [200, 201, 204, 304, 400, 401, 404, 405, 426, 429, 500, 503] {
                for method in ["GET", "HEAD"] {
                    let start = Self.now
                    let response = try await client.exchange(
                        ClientRequest(
                            method: method, scheme: client.origin.scheme.rawValue, authority: client.origin.authority,
                            target: "\(way)/\(status)"), bodyBytesMax: 1000, timeout: .minutes(5))
                    #expect(response.status == status)
                    try check(response.fields.list(.date), since: start, "\(method) \(status)")
                }
            }
            await client.close()
        }
    }

    @Test(
        "responses that the connection generates have a Date field",
        arguments: [
            ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 40_000))\r\n\r\n", 431),
            ("GET /\(String(repeating: "x", count: 9000)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
            ("GET / HTTP/1.1\r\nHost: a\r\nExpect: a\r\n\r\n", 417),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n\r\n", 415),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405), ("GET / HTTP/1.1\r\nHost:", 408),
            ("GET /stream HTTP/1.0\r\n\r\n", 426),
        ])
    func refusals(request: String, status: Int) async throws {
        var timeouts = Timeouts.longTimeouts
        if status == 408 { timeouts.headers = .milliseconds(200) }
        try await withServer(Self.handler, timeouts: timeouts) { server in
            try await TextPeer.connected(to: server.port) { peer in
                let start = Self.now
                try await peer.send(request)
                let head = try await peer.read(through: "\r\n\r\n")
                #expect(head.hasPrefix("HTTP/1.1 \(status) "))
                let dates = head.matches(of: /\r\ndate: ([^\r]+)/).map { String($0.output.1) }
                #expect(dates.count == 1)
                try check(dates.first, since: start)
            }
        }
    }

    @Test("an interim response has no Date field, and the final response has one")
    func interim() async throws {
        let handler = ScriptedHandler { request in
            .eventually {
                _ = try? await request.body.collect(bytesMax: 1000)
                return .text("hello")
            }
        }
        try await withServer(handler) { server in
            try await TextPeer.connected(to: server.port) { peer in
                try await peer.request("POST", "/", "Content-Length: 2", "Expect: 100-continue")
                #expect(try await peer.read(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
                try await peer.send("{}")
                #expect(try await peer.response().contains("\r\ndate: "))
            }
        }
    }

    @Test("a Date field set by the handler is not replaced", arguments: Transport.allCases)
    func own(transport: Transport) async throws {
        let server = try await HTTPServer(
            host: "127.0.0.1", port: 0, group: .singleton, handler: Self.handler,
            configuration: .test(tls: try await transport.certificate()), logger: .silent)
        let client = try await transport.client(of: server)
        try await withServices([server]) {
            let response = try await client.exchange(
                ClientRequest(
                    method: "GET", scheme: client.origin.scheme.rawValue, authority: client.origin.authority,
                    target: "/own/200"), bodyBytesMax: 1000, timeout: .minutes(5))
            #expect(response.fields.list(.date) == "Sun, 06 Nov 1994 08:49:37 GMT")
            await client.close()
        }
    }

    @Test("dates from 1970 to 9999 are formatted and parsed correctly", arguments: [UInt64.random(in: 0 ... .max)])
    func forms(seed: UInt64) throws {
        let known: [(Int64, String)] = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"), (-1, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ]
        for (seconds, text) in known { #expect(HTTPDate.text(secondsSinceEpoch: seconds) == text) }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let seconds = Int64.random(in: 0...253_402_300_799, using: &random)
            let text = HTTPDate.text(secondsSinceEpoch: seconds)
            #expect(text == formatter.string(from: Date(timeIntervalSince1970: Double(seconds))), "seed \(seed)")
            #expect(HTTPDate.secondsSinceEpoch(text) == seconds, "seed \(seed)")
        }
    }
}
