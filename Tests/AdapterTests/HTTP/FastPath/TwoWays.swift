import Adapters
import Domain
import DomainFakes
import Logging
import NIOCore
import Synchronization
import Testing

/// A handler whose requests all go the general way.
struct GeneralWay: RequestHandler {
    let router: Router

    func reply(to request: HTTPRequest) -> Reply { router.reply(to: request) }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        router.refuse(refusal, requestID: requestID, peer: peer)
    }
}

/// A handler that counts the requests that the fast path answers.
final class CountedFastPath: RequestHandler, FastPath {
    private let router: Router
    private let answered: AnswerCount

    final class AnswerCount: Sendable {
        let count = Mutex(0)
    }

    init(_ router: Router, _ answered: AnswerCount) {
        self.router = router
        self.answered = answered
    }

    var fastPath: (any FastPath)? { self }

    func response(to request: borrowing PlainRequest, _ memory: inout ConnectionMemory?) -> PreparedResponse? {
        let response = router.fastPath?.response(to: request, &memory)
        if response != nil { answered.count.withLock { $0 += 1 } }
        return response
    }

    func reply(to request: HTTPRequest) -> Reply { router.reply(to: request) }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        router.refuse(refusal, requestID: requestID, peer: peer)
    }
}

/// Two services that differ only in the fast path: they have the same clock, callers, accounts and answers.
struct TwoWays {
    struct Way {
        let service: TestService
        let metrics: MetricsRegistry
        let handler: any RequestHandler
        fileprivate let lines: Lines

        /// The lines of the access log, without durations.
        var log: [String] { lines.taken.withLock { $0.sorted() } }

        /// How many requests had each combination of labels.
        var counts: [String] {
            var text = ByteBuffer()
            metrics.samples().write(.text, to: &text)
            return String(buffer: text).split(separator: "\n").map(String.init).filter {
                $0.hasPrefix("http_server_request_duration_seconds_count")
            }.sorted()
        }
    }

    fileprivate final class Lines: Sendable {
        let taken = Mutex<[String]>([])
    }

    static let accounts = ["Qx7Zk2mPTfGh0aB1cD2eFg", "a", "b+c=", "self-pay", "gone"]

    static let callers: [(token: String, caller: Caller)] = [
        ("everything", .everything),
        ("reader", Caller(name: Name(literal: "reader"), scopes: [.billingRead])),
        ("planner", Caller(name: Name(literal: "planner"), scopes: [.plansRead])),
        ("nothing", Caller(name: Name(literal: "nothing"), scopes: [])),
        (
            "limited",
            Caller(name: Name(literal: "limited"), scopes: [.billingRead], accounts: [AccountID(literal: "a")])
        ),
        (
            "slow",
            Caller(
                name: Name(literal: "slow"), scopes: [.billingRead],
                rate: Caller.Rate(burst: 1_000_000, perSecond: 1))
        ),
    ]

    let fast: Way
    let general: Way
    let clock: TestClock
    let directory: FakeCallers
    private let count: CountedFastPath.AnswerCount

    /// The requests that the fast path has answered.
    var answered: Int { count.count.withLock { $0 } }

    /// - Parameter revalidates: Whether answers are revalidated in the background. Then the two ways may have different answers to
    ///   the next request of a pipeline.
    static func with(
        over transport: Transport = .h2c, revalidates: Bool = true, _ test: (TwoWays) async throws -> Void
    ) async throws {
        let clock = TestClock()
        let directory = FakeCallers(
            Dictionary(uniqueKeysWithValues: callers.map { ($0.token, $0.caller) }), time: clock)
        let count = CountedFastPath.AnswerCount()
        var rules = CacheRules()
        rules.jitter = 0
        if !revalidates { rules.revalidationsMax = 0 }
        try await way(over: transport, clock, directory, rules, { CountedFastPath($0, count) }) { fast in
            try await way(over: transport, clock, directory, rules, { GeneralWay(router: $0) }) { general in
                try await test(
                    TwoWays(fast: fast, general: general, clock: clock, directory: directory, count: count))
            }
        }
    }

    private static func way(
        over transport: Transport, _ clock: TestClock, _ directory: FakeCallers, _ rules: CacheRules,
        _ wrap: (Router) -> any RequestHandler, _ test: (Way) async throws -> Void
    ) async throws {
        let lines = Lines()
        let wrapped = Mutex<(any RequestHandler)?>(nil)
        let logger = Logger(label: "access") { _ in
            LineLogHandler { line in
                lines.taken.withLock {
                    $0.append(
                        line.replacing(/duration_ms=\S+/, with: "duration_ms=?")
                            .replacing(/request_id=[0-9a-f]{16}/, with: "request_id=?"))
                }
            }
        }
        let metrics = MetricsRegistry()
        let source = FakeSource.answering { read, _ async throws(BillingFailure) in
            switch read.account.rawValue {
            case "self-pay": throw .selfPay
            case "gone": throw .accountNotFound(read.account)
            default: break
            }
            guard read.operation != .getBillingInformation else { return .contact(.sample(read.account)) }
            return .document(SourceDocument(text: Array(#"{"read":"\#(read.operation.title)"}"#.utf8)))
        }
        try await TestService.with(
            source: source, over: transport, time: clock, callers: directory, logger: logger, metrics: metrics,
            cacheRules: rules, guesses: Limits.Rate(burst: 1_000_000, perSecond: 1),
            wrap: { router in
                let handler = wrap(router)
                wrapped.withLock { $0 = handler }
                return handler
            }
        ) { service in
            let handler = try #require(wrapped.withLock { $0 })
            try await test(Way(service: service, metrics: metrics, handler: handler, lines: lines))
        }
    }

    /// Runs `test` with one more server of the service with the fast path, with other limits.
    func withServer(limits: Limits, _ test: (HTTPServer) async throws -> Void) async throws {
        try await AdapterTests.withServer(fast.handler, limits: limits, test)
    }

    /// Waits until no request to a source is in flight.
    func settle() async throws {
        while fast.service.cache.isFetching || general.service.cache.isFetching {
            try Task.checkCancellation()
            await Task.yield()
        }
    }
}

/// Requests that are plain, nearly plain, and not plain at all.
struct RequestMaker {
    var random: SeededRandom

    struct Request {
        var method: String
        var target: String
        var fields: [(name: String, value: String)]
    }

    private static let endings = [
        "/billing", "/plans", "/plans/usage", "", "/billing/invoices", "/nothing", "/billing/",
    ]
    private static let ids =
        TwoWays.accounts + TwoWays.accounts + ["me", "..", "a%2Bc", "b%2Bc%3D", "", "ä", "a/b", "zz"]

    private static let fields: [(String, [String])] = [
        (
            "accept",
            [
                "*/*", "application/json", "Application/JSON", "text/html", "application/json, text/plain, */*",
                "*/*;q=0",
            ]
        ),
        ("accept-encoding", ["gzip, deflate, br"]), ("accept-language", ["de"]), ("user-agent", ["test/1.0"]),
        (
            "cache-control",
            [
                "max-age=0", "max-age=5", "max-age=100000", "no-cache", "only-if-cached", "max-stale", "MAX-AGE=5",
                "max-age=x",
            ]
        ),
        ("pragma", ["no-cache"]),
        (
            "if-none-match",
            ["*", "\"a\"", "W/\"a\"", "\"a\", \"b\"", "\"", "\"\"", "a", "ETAG", "W/ETAG", "\"x\", ETAG", "ETAG\""]
        ),
        ("if-modified-since", ["Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2100 23:59:59 GMT", "never"]),
        ("x-request-id", ["job-7", "a b", String(repeating: "x", count: 128), String(repeating: "x", count: 129)]),
        ("traceparent", ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0-0-0"]),
        ("tracestate", ["a=b"]), ("x-forwarded-for", ["192.0.2.1", "unknown"]), ("forwarded", ["for=192.0.2.1"]),
        ("x-forwarded-proto", ["https"]), ("via", ["1.1 proxy"]), ("priority", ["u=1"]), ("prefer", ["wait=1"]),
        ("content-length", ["0"]), ("expect", ["100-continue", "a miracle"]),
        ("content-encoding", ["identity", "gzip"]),
        ("cookie", ["a=b"]), ("range", ["bytes=0-1"]), ("referer", ["https://example.org/"]), ("x-unknown", ["1"]),
    ]

    /// - Parameter etag: An entity tag that the answer has.
    mutating func request(etag: String) -> Request {
        let method = chance(0.9) ? "GET" : pick(["HEAD", "POST", "OPTIONS", "get", "BREW"])
        let id = chance(0.85) ? TwoWays.accounts[0] : pick(Self.ids)
        let ending = chance(0.85) ? "/billing" : pick(Self.endings)
        var target = "/v2/accounts/" + id + ending
        if chance(0.05) { target += pick(["?", "?a=b", "/", "#", "%20"]) }
        var fields: [(String, String)] = []
        if chance(0.95) {
            let scheme = chance(0.9) ? "Bearer " : pick(["bearer ", "Basic ", "Bearer", "Bearer  "])
            let token = chance(0.7) ? "everything" : pick(TwoWays.callers.map(\.token))
            fields.append(("authorization", scheme + token))
        }
        if chance(0.9) { fields.append(("x-request-id", "id-\(random.next() % 1000)")) }
        while chance(0.3) {
            let (name, values) = pick(Self.fields)
            fields.append((name, pick(values).replacing("ETAG", with: etag)))
        }
        fields.shuffle(using: &random)
        return Request(method: method, target: target, fields: fields)
    }

    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &random) < share }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: elements.indices, using: &random)]
    }
}
