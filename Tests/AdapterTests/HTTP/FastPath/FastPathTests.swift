import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// The general way is the oracle: whatever the fast path answers, it must answer the same.
@Suite("Fast path", .timeLimit(.minutes(10)))
struct FastPathTests {
    private static let billing = "/v2/accounts/\(TwoWays.accounts[0])/billing"

    /// A response without what differs between any two: the date, and ids that the service made.
    private static func comparable(_ response: String) -> String {
        response.replacing(/date: [^\r]+/, with: "date: ?")
            .replacing(/(x-request-id: |request:)[0-9a-f]{16}/) { $0.output.1 + "?" }
    }

    /// A request as bytes of HTTP/1.1.
    private static func text(_ request: RequestMaker.Request, host: String = "host: localhost\r\n") -> String {
        let fields = request.fields.map { "\($0.name): \($0.value)\r\n" }.joined()
        return "\(request.method) \(request.target) HTTP/1.1\r\n\(host)\(fields)\r\n"
    }

    /// Ends the connection after everything before was answered.
    private static let last = "GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    private static func responses(_ service: TestService, to text: String) async throws -> String {
        var received = ""
        try await TextPeer.connected(to: service.server.port) { peer in
            try await peer.send(text)
            received = try await peer.untilClosed()
        }
        return comparable(received)
    }

    /// Compares the responses of both ways to the same bytes.
    private static func expectSame(_ ways: TwoWays, _ text: String, _ seed: UInt64) async throws {
        let general = try await responses(ways.general.service, to: text)
        let fast = try await responses(ways.fast.service, to: text)
        try await ways.settle()
        try #require(fast == general, "seed \(seed), request \(text.debugDescription)")
    }

    private static func expectSameObservations(_ ways: TwoWays) {
        #expect(ways.fast.counts == ways.general.counts)
        #expect(ways.fast.log == ways.general.log)
        #expect(ways.fast.service.cache.counts == ways.general.service.cache.counts)
    }

    private static func etag(of ways: TwoWays) async throws -> String {
        for way in [ways.fast, ways.general] { _ = try await way.service.send(billing, token: "everything") }
        let response = try await ways.fast.service.send(billing, token: "everything")
        _ = try await ways.general.service.send(billing, token: "everything")
        return try #require(response.fields.string(.etag))
    }

    @Test("Over HTTP/1.1 the fast path and the general way give the same responses, byte for byte")
    func http1() async throws {
        let seed = UInt64.random(in: .min ... .max)
        var maker = RequestMaker(random: SeededRandom(seed: seed))
        try await TwoWays.with(revalidates: false) { ways in
            let etag = try await Self.etag(of: ways)
            for _ in 0..<1000 {
                ways.clock.advance(by: .seconds(maker.pick([0, 0, 0, 1, 7, 30, 200, 400])))
                // Several requests in one piece, as a pipelining client sends them.
                var text = ""
                for _ in 0..<maker.pick([1, 1, 2, 5]) {
                    let host =
                        maker.chance(0.95)
                        ? "host: localhost\r\n" : maker.pick(["", "host: a\r\nhost: b\r\n", "host: a b\r\n"])
                    text += Self.text(maker.request(etag: etag), host: host)
                }
                try await Self.expectSame(ways, text + Self.last + Self.last, seed)
            }
            #expect(ways.answered > 300, "the test compares too few responses of the fast path")
            Self.expectSameObservations(ways)
        }
    }

    @Test("Requests over HTTP/1.1 with some bytes changed have the same responses on both ways")
    func mutations() async throws {
        let seed = UInt64.random(in: .min ... .max)
        var maker = RequestMaker(random: SeededRandom(seed: seed))
        try await TwoWays.with { ways in
            let etag = try await Self.etag(of: ways)
            for _ in 0..<2000 {
                var text = Self.text(maker.request(etag: etag)).utf8.map(\.self)
                for _ in 0..<maker.pick([0, 0, 1, 2]) {
                    let place = Int.random(in: text.indices, using: &maker.random)
                    switch maker.pick([0, 1, 2, 3]) {
                    case 0: text.remove(at: place)
                    case 1: text.insert(maker.pick(Array(" \t\r\n:\"a,;".utf8)), at: place)
                    case 2: text[place] = UInt8.random(in: 0..<128, using: &maker.random)
                    default: text[place] ^= 0x20
                    }
                }
                let bytes = String(decoding: text, as: UTF8.self) + "\r\n\r\n" + Self.last + Self.last
                try await Self.expectSame(ways, bytes, seed)
            }
            #expect(ways.answered > 200, "the test compares too few responses of the fast path")
            Self.expectSameObservations(ways)
        }
    }

    @Test("The fast path and the general way give the same responses over each protocol", arguments: Transport.allCases)
    func transports(transport: Transport) async throws {
        let seed = UInt64.random(in: .min ... .max)
        var maker = RequestMaker(random: SeededRandom(seed: seed))
        try await TwoWays.with(over: transport) { ways in
            let etag = try await Self.etag(of: ways)
            for _ in 0..<1000 {
                ways.clock.advance(by: .seconds(maker.pick([0, 0, 0, 1, 7, 30, 200, 400])))
                let request = maker.request(etag: etag)
                let general = await Self.response(ways.general.service, to: request)
                let fast = await Self.response(ways.fast.service, to: request)
                try await ways.settle()
                try #require(fast == general, "seed \(seed), request \(request)")
            }
            #expect(ways.answered > 150, "the test compares too few responses of the fast path")
            Self.expectSameObservations(ways)
        }
    }

    /// A response as text: its status, its fields in order, and its body; or why there is none.
    private static func response(_ service: TestService, to request: RequestMaker.Request) async -> String {
        var fields: [(FieldName, String)] = []
        for (name, value) in request.fields {
            guard let name = names.first(where: { String(decoding: $0.bytes, as: UTF8.self) == name }) else { continue }
            fields.append((name, value))
        }
        do {
            let response = try await service.send(request.target, method: request.method, token: nil, fields)
            var text = "\(response.status)\r\n"
            response.fields.forEach { name, value in
                text += String(decoding: name, as: UTF8.self) + ": " + String(decoding: value, as: UTF8.self) + "\r\n"
            }
            return comparable(text + String(buffer: response.body))
        } catch {
            return "\(error)"
        }
    }

    private static let names: [FieldName] = [
        .accept, .acceptEncoding, .authorization, .cacheControl, .contentEncoding, .contentLength, .expect, .forwarded,
        .ifModifiedSince, .ifNoneMatch, .pragma, .prefer, .range, .referer, .requestID, .traceparent, .tracestate,
        .userAgent, .xForwardedFor,
    ]

    /// Sends a request of the reader, and compares the status of the response.
    private static func expect(_ status: Int, of peer: inout TextPeer, token: String = "reader") async throws {
        try await peer.request("GET", billing, "Authorization: Bearer \(token)")
        let response = try await peer.response()
        #expect(response.hasPrefix("HTTP/1.1 \(status) "))
    }

    @Test("A caller whose token was revoked or restricted is refused on connections that are open")
    func revocation() async throws {
        try await TwoWays.with { ways in
            _ = try await Self.etag(of: ways)
            try await TextPeer.connected(to: ways.fast.service.server.port) { peer in
                try await Self.expect(200, of: &peer)
                let before = ways.answered
                try await Self.expect(200, of: &peer)
                #expect(ways.answered == before + 1)
                ways.directory.set("reader", to: Caller(name: Name(literal: "reader"), scopes: [.plansRead]))
                try await Self.expect(403, of: &peer)
                ways.directory.set(
                    "reader", to: Caller(name: Name(literal: "reader"), scopes: [.billingRead], accounts: []))
                try await Self.expect(404, of: &peer)
                ways.directory.set("reader", to: nil)
                try await Self.expect(401, of: &peer)
            }
        }
    }

    @Test("A caller with two tokens is refused only on the connections with the one that was revoked")
    func twoTokens() async throws {
        try await TwoWays.with { ways in
            _ = try await Self.etag(of: ways)
            let reader = Caller(name: Name(literal: "reader"), scopes: [.billingRead])
            ways.directory.set("reader-2", to: reader)
            try await TextPeer.connected(to: ways.fast.service.server.port) { first in
                try await TextPeer.connected(to: ways.fast.service.server.port) { second in
                    for _ in 0..<2 {
                        try await Self.expect(200, of: &first)
                        try await Self.expect(200, of: &second, token: "reader-2")
                    }
                    ways.directory.set("reader", to: nil)
                    let before = ways.answered
                    try await Self.expect(401, of: &first)
                    try await Self.expect(200, of: &second, token: "reader-2")
                    #expect(ways.answered == before + 1)
                }
            }
        }
    }

    @Test("A token that expires is refused from that moment on connections that are open")
    func expiry() async throws {
        try await TwoWays.with { ways in
            _ = try await Self.etag(of: ways)
            ways.directory.set(
                "reader", to: Caller(name: Name(literal: "reader"), scopes: [.billingRead]),
                expires: Timestamp(secondsSinceEpoch: ways.clock.timestamp.secondsSinceEpoch + 60))
            try await TextPeer.connected(to: ways.fast.service.server.port) { peer in
                try await Self.expect(200, of: &peer)
                ways.clock.advance(by: .seconds(59))
                let before = ways.answered
                try await Self.expect(200, of: &peer)
                #expect(ways.answered == before + 1)
                ways.clock.advance(by: .seconds(1))
                try await Self.expect(401, of: &peer)
            }
        }
    }

    @Test("The rate of a caller counts the requests of both ways together")
    func rate() async throws {
        try await TwoWays.with { ways in
            _ = try await Self.etag(of: ways)
            // The bucket has no more than its burst during the test.
            ways.directory.set(
                "slow",
                to: Caller(
                    name: Name(literal: "slow"), scopes: [.billingRead], rate: Caller.Rate(burst: 6, perSecond: 0)))
            try await TextPeer.connected(to: ways.fast.service.server.port) { peer in
                var statuses: [String] = []
                for number in 0..<8 {
                    // Each second request goes the general way.
                    let field = number.isMultiple(of: 2) ? "Accept: */*" : "Accept: */*;q=1"
                    try await peer.request("GET", Self.billing, "Authorization: Bearer slow", field)
                    statuses.append(String(try await peer.response().prefix(12)))
                }
                #expect(statuses == Array(repeating: "HTTP/1.1 200", count: 6) + ["HTTP/1.1 429", "HTTP/1.1 429"])
            }
        }
    }

    @Test("The last request of a connection goes the general way, which announces the end")
    func lastRequest() async throws {
        var limits = Limits()
        limits.requestsPerConnectionMax = 3
        try await TwoWays.with { ways in
            _ = try await Self.etag(of: ways)
            try await ways.withServer(limits: limits) { server in
                try await TextPeer.connected(to: server.port) { peer in
                    for isLast in [false, false, true] {
                        try await peer.request("GET", Self.billing, "Authorization: Bearer everything")
                        let response = try await peer.response()
                        #expect(response.contains("connection: close") == isLast)
                    }
                    let rest = try await peer.untilClosed()
                    #expect(rest.isEmpty)
                }
            }
        }
    }
}
