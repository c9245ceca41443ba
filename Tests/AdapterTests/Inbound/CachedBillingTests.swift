import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// HTTP caching of billing responses (RFC 9110, RFC 9111).
@Suite("Cached billing", .timeLimit(.minutes(10)))
struct CachedBillingTests {
    private static let target = "/v2/accounts/a/billing"

    /// A service with a test clock and without jitter on the freshness lifetime.
    private func with(
        _ source: FakeSource = FakeSource(), over transport: Transport = .h2c,
        _ test: (TestService, TestClock, FakeSource) async throws -> Void
    ) async throws {
        let clock = TestClock()
        var rules = CacheRules()
        rules.jitter = 0
        try await TestService.with(source: source, over: transport, time: clock, cacheRules: rules) { service in
            try await test(service, clock, source)
        }
    }

    @Test("a response has Age, Cache-Control, Last-Modified, Vary and ETag", arguments: Transport.allCases)
    func fields(transport: Transport) async throws {
        try await with(over: transport) { service, clock, source in
            let first = try await service.send(Self.target)
            #expect(first.status == 200)
            #expect(first.fields.string(.age) == "0")
            #expect(first.fields.string(.cacheControl) == "private, max-age=300")
            #expect(first.fields.string(.lastModified) == "Sat, 31 Jan 2026 12:00:00 GMT")
            #expect(first.fields.string(.vary) == "accept, authorization")
            #expect(first.fields.string(.contentLength) == "\(first.body.readableBytes)")
            let etag = try #require(first.fields.string(.etag))
            #expect(etag.wholeMatch(of: /"[0-9a-f]{16}"/) != nil)
            clock.advance(by: .seconds(17))
            let second = try await service.send(Self.target)
            #expect(second.fields.string(.age) == "17" && second.fields.string(.etag) == etag)
            #expect(second.body == first.body && source.calls.count == 1)
            #expect(first.fields.string(.requestID) != second.fields.string(.requestID))
            let head = try await service.send(Self.target, method: "HEAD")
            #expect(head.status == 200 && head.body.readableBytes == 0)
            #expect(head.fields.string(.contentLength) == first.fields.string(.contentLength))
            #expect(head.fields.string(.etag) == etag)
        }
    }

    @Test("a conditional request for an unchanged response gets 304", arguments: Transport.allCases)
    func conditions(transport: Transport) async throws {
        try await with(over: transport) { service, clock, source in
            let etag = try #require(try await service.send(Self.target).fields.string(.etag))
            clock.advance(by: .seconds(5))
            let known: [(FieldName, String)] = [
                (.ifNoneMatch, etag), (.ifNoneMatch, "W/\(etag)"), (.ifNoneMatch, "\"x\", \(etag)"),
                (.ifNoneMatch, "W/\"y\" ,W/\(etag)"),
                (.ifNoneMatch, "\"a,b\\\", \(etag)"), (.ifNoneMatch, "*"),
                (.ifModifiedSince, "Sat, 31 Jan 2026 12:00:00 GMT"),
                (.ifModifiedSince, "Sat, 31 Jan 2026 12:00:01 GMT"),
            ]
            for field in known {
                let answer = try await service.send(Self.target, [field])
                #expect(answer.status == 304 && answer.body.readableBytes == 0, "\(field)")
                #expect(answer.fields.string(.etag) == etag && answer.fields.string(.age) == "5")
                #expect(answer.fields.string(.cacheControl) == "private, max-age=300")
                #expect(answer.fields.string(.vary) == "accept, authorization")
                // Node's fetch waits for as many bytes over HTTP/1.1.
                #expect(answer.fields.string(.contentLength) == nil)
            }
            let unknown: [[(FieldName, String)]] = [
                [(.ifNoneMatch, "\"x\"")], [(.ifNoneMatch, String(etag.dropLast()))], [(.ifNoneMatch, "")],
                [(.ifNoneMatch, "\"x, *, y\"")], [(.ifNoneMatch, "\"x, \(etag), y\"")],
                [(.ifModifiedSince, "Sat, 31 Jan 2026 11:59:59 GMT")], [(.ifModifiedSince, "yesterday")],
                // If-Modified-Since is ignored if If-None-Match is present.
                [(.ifNoneMatch, "\"x\""), (.ifModifiedSince, "Sat, 31 Jan 2026 12:00:01 GMT")],
            ]
            for fields in unknown {
                let answer = try await service.send(Self.target, fields)
                #expect(answer.status == 200, "\(fields)")
            }
            #expect(source.calls.count == 1)
        }
    }

    @Test("ETag and Last-Modified change only when the billing information changes")
    func changed() async throws {
        let source = FakeSource { account, attempt async throws(BillingFailure) in
            .contact(.sample(attempt < 3 ? account : AccountID(literal: "another")))
        }
        try await with(source) { service, clock, _ in
            let first = try await service.send(Self.target)
            var answers: [ClientResponse] = []
            for _ in 0..<2 {
                clock.advance(by: .seconds(1000))
                answers.append(try await service.send(Self.target))
            }
            let (same, other) = (answers[0], answers[1])
            #expect(source.calls.count == 3)
            #expect(same.fields.string(.etag) == first.fields.string(.etag))
            #expect(same.fields.string(.lastModified) == first.fields.string(.lastModified))
            #expect(same.fields.string(.age) == "0")
            #expect(other.fields.string(.etag) != first.fields.string(.etag))
            #expect(other.fields.string(.lastModified) == "Sat, 31 Jan 2026 12:33:20 GMT")
        }
    }

    struct Directive: CustomTestStringConvertible, Sendable {
        let field: String
        /// The outcome for a response that is 100 s old.
        let fresh: Outcome
        /// The outcome for a response that is 330 s old.
        let stale: Outcome
        var testDescription: String { field }
    }

    enum Outcome: Sendable, Equatable {
        case cached
        case fetched
        case refused
    }

    @Test(
        "the client's Cache-Control decides between the cache, Zoom and 504",
        arguments: [
            Directive(field: "", fresh: .cached, stale: .cached),
            Directive(field: "no-cache", fresh: .fetched, stale: .fetched),
            Directive(field: "No-Cache", fresh: .fetched, stale: .fetched),
            Directive(field: "max-age=0", fresh: .fetched, stale: .fetched),
            Directive(field: "max-age=99", fresh: .fetched, stale: .fetched),
            Directive(field: "max-age=100", fresh: .cached, stale: .fetched),
            Directive(field: "max-age=\"100\"", fresh: .cached, stale: .fetched),
            // `max-age` alone does not allow stale responses (RFC 9111, 5.2.1.1).
            Directive(field: "max-age=400", fresh: .cached, stale: .fetched),
            Directive(field: "max-age=400, max-stale", fresh: .cached, stale: .cached),
            Directive(field: "max-age=400, max-stale=30", fresh: .cached, stale: .cached),
            Directive(field: "max-age=400, max-stale=29", fresh: .cached, stale: .fetched),
            Directive(field: "max-age=329, max-stale=100", fresh: .cached, stale: .fetched),
            Directive(field: "max-age=400, max-age=50", fresh: .fetched, stale: .fetched),
            Directive(field: "max-stale=30", fresh: .cached, stale: .cached),
            Directive(field: "max-stale=29", fresh: .cached, stale: .fetched),
            Directive(field: "max-stale=29, max-stale=100", fresh: .cached, stale: .fetched),
            Directive(field: "max-stale=soon", fresh: .cached, stale: .cached),
            Directive(field: "min-fresh=200", fresh: .cached, stale: .fetched),
            Directive(field: "min-fresh=201", fresh: .fetched, stale: .fetched),
            Directive(field: "min-fresh=0", fresh: .cached, stale: .fetched),
            Directive(field: "min-fresh=\"201\"", fresh: .fetched, stale: .fetched),
            Directive(field: "min-fresh=0, max-stale", fresh: .cached, stale: .fetched),
            Directive(field: "no-store", fresh: .fetched, stale: .fetched),
            Directive(field: "NO-STORE , max-stale", fresh: .fetched, stale: .fetched),
            Directive(field: "only-if-cached, no-store", fresh: .refused, stale: .refused),
            Directive(field: "only-if-cached, max-age=400", fresh: .cached, stale: .refused),
            Directive(field: "only-if-cached, min-fresh=201", fresh: .refused, stale: .refused),
            // A comma or a directive inside quotes is part of the argument.
            Directive(field: "x=\"a, no-cache, no-store\"", fresh: .cached, stale: .cached),
            Directive(field: "x=\"\\\", no-store\", y", fresh: .cached, stale: .cached),
            Directive(field: "x=\"a\", no-store", fresh: .fetched, stale: .fetched),
            Directive(field: "no-transform, x-unknown=1", fresh: .cached, stale: .cached),
            Directive(field: "max-age=never, x, =", fresh: .cached, stale: .cached),
            Directive(field: "only-if-cached", fresh: .cached, stale: .cached),
            Directive(field: "only-if-cached, no-cache", fresh: .refused, stale: .refused),
            Directive(field: "only-if-cached,max-age=10", fresh: .refused, stale: .refused),
            Directive(field: "max-stale", fresh: .cached, stale: .cached),
            Directive(field: "max-age=99999999999999999999", fresh: .cached, stale: .fetched),
            Directive(field: "max-age=99999999999999999999, max-stale", fresh: .cached, stale: .cached),
        ])
    func directives(directive: Directive) async throws {
        for (age, outcome) in [(100, directive.fresh), (330, directive.stale)] {
            try await with { service, clock, source in
                _ = try await service.send(Self.target)
                clock.advance(by: .seconds(age))
                let answer = try await service.send(Self.target, [(.cacheControl, directive.field)])
                switch outcome {
                case .cached: #expect(answer.status == 200 && answer.fields.string(.age) == "\(age)")
                case .fetched: #expect(answer.status == 200 && answer.fields.string(.age) == "0")
                case .refused:
                    #expect(answer.status == 504 && answer.json?["code"] == .number("504"))
                    #expect(source.calls.count == 1)
                }
            }
        }
    }

    @Test("a response to a request with no-store is not cached")
    func noStore() async throws {
        let source = FakeSource { account, _ async throws(BillingFailure) in
            if account.rawValue == "none" { throw .accountNotFound(account) }
            return .contact(.sample(account))
        }
        try await with(source) { service, clock, _ in
            for (account, status) in [("a", 200), ("none", 404)] {
                let target = "/v2/accounts/\(account)/billing"
                let before = source.calls.count
                for _ in 0..<2 {
                    #expect(try await service.send(target, [(.cacheControl, "no-store")]).status == status)
                }
                #expect(source.calls.count == before + 2)
                // The responses were not cached.
                #expect(try await service.send(target, [(.cacheControl, "only-if-cached")]).status == 504)
                _ = try await service.send(target)
                clock.advance(by: .seconds(10))
                _ = try await service.send(target, [(.cacheControl, "no-store")])
                #expect(source.calls.count == before + 4)
                // An earlier cached response is unchanged.
                let cached = try await service.send(target)
                #expect(cached.fields.string(.age) == (status == 200 ? "10" : nil))
                #expect(source.calls.count == before + 4)
            }
        }
    }

    @Test("Pragma counts only without Cache-Control")
    func pragma() async throws {
        try await with { service, clock, source in
            _ = try await service.send(Self.target)
            let pragma = (FieldName.pragma, "x, No-Cache")
            clock.advance(by: .seconds(10))
            #expect(try await service.send(Self.target, [pragma]).fields.string(.age) == "0")
            clock.advance(by: .seconds(10))
            #expect(
                try await service.send(Self.target, [pragma, (.cacheControl, "max-age=60")]).fields.string(.age) == "10"
            )
            #expect(try await service.send(Self.target, [(.pragma, "x")]).fields.string(.age) == "10")
            #expect(source.calls.count == 2)
        }
    }

    @Test("when Zoom fails, a client that forbids stale responses gets the failure")
    func nothingStale() async throws {
        let source = FakeSource { account, attempt async throws(BillingFailure) in
            if attempt > 1 { throw .sourceFailed }
            return .contact(.sample(account))
        }
        try await with(source) { service, clock, _ in
            _ = try await service.send(Self.target)
            clock.advance(by: .seconds(400))
            for field in ["max-age=1000", "max-stale=99", "min-fresh=1", "no-store"] {
                #expect(try await service.send(Self.target, [(.cacheControl, field)]).status == 502, "\(field)")
            }
            #expect(try await service.send(Self.target, [(.cacheControl, "max-stale=100")]).status == 200)
            #expect(try await service.send(Self.target).status == 200)
        }
    }

    @Test("a stale response is served if the client allows it, or if Zoom fails")
    func stale() async throws {
        let source = FakeSource { account, attempt async throws(BillingFailure) in
            if attempt > 1 { throw .sourceFailed }
            return .contact(.sample(account))
        }
        try await with(source) { service, clock, _ in
            _ = try await service.send(Self.target)
            clock.advance(by: .seconds(400))
            let allowingStale = try await service.send(Self.target, [(.cacheControl, "max-stale=200")])
            #expect(allowingStale.status == 200 && allowingStale.fields.string(.age) == "400")
            let usual = try await service.send(Self.target)
            #expect(usual.status == 200 && usual.fields.string(.age) == "400")
            let forbiddingStale = try await service.send(Self.target, [(.cacheControl, "no-cache")])
            #expect(forbiddingStale.status == 502)
            clock.advance(by: .seconds(3600))
            let expired = try await service.send(Self.target)
            #expect(expired.status == 502)
        }
    }

    @Test("not found is cached, so repeated requests make one call to Zoom")
    func failure() async throws {
        let source = FakeSource { account, _ async throws(BillingFailure) in throw .accountNotFound(account) }
        try await with(source) { service, _, _ in
            for _ in 0..<3 {
                let answer = try await service.send(Self.target)
                #expect(answer.status == 404 && answer.json?["code"] == .number("2001"))
                #expect(answer.fields.string(.cacheControl) == "private, no-store")
            }
            #expect(source.calls.count == 1)
        }
    }

    @Test("a cached response is served only to authorized callers")
    func rights() async throws {
        let callers = FakeCallers([
            "all": .everything,
            "some": Caller(
                name: Name(literal: "some"), scopes: [.billingRead], accounts: [AccountID(literal: "b")]),
            "none": .nothing,
        ])
        try await TestService.with(source: FakeSource(), callers: callers) { service in
            for (token, status) in [("all", 200), ("some", 404), ("none", 403), ("other", 401)] {
                let answer = try await service.send(Self.target, token: token)
                #expect(answer.status == status, "\(token)")
            }
        }
    }
}
