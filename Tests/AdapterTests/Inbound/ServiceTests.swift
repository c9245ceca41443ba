import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

@Suite("Service", .timeLimit(.minutes(10)))
struct ServiceTests {
    private static func source(answer: @escaping FakeSource.Answer) -> FakeSource {
        FakeSource(listed: ["a", "b", "c"].map { AccountID(literal: $0) }, answer: answer)
    }

    // MARK: One account

    @Test("a lookup returns Zoom's object, followed by Zoom's unknown members", arguments: Transport.allCases)
    func contact(transport: Transport) async throws {
        let contact = BillingContact(
            reading: { $0 == .apartment ? nil : "\($0) \"ä\"" },
            unread: [.init(name: "employee_count", value: Array("\"2-10\"".utf8))])
        let source = Self.source { _, _ async throws(BillingFailure) in .contact(contact) }
        try await TestService.with(source: source, over: transport) { service in
            let response = try await service.send("/v2/accounts/a/billing")
            #expect(response.status == 200)
            #expect(response.fields.string(.contentType) == "application/json")
            let json = try #require(response.json)
            #expect(
                json.members.map(\.name) == [
                    "address", "city", "country", "email", "first_name", "last_name", "phone_number", "state", "zip",
                    "employee_count",
                ])
            #expect(json["phone_number"] == .string("phoneNumber \"ä\""))
        }
    }

    struct Case: CustomTestStringConvertible {
        let failure: BillingFailure
        let status: Int
        let code: Int
        let message: String
        var testDescription: String { "\(failure)" }
    }

    @Test(
        "every failure is a problem details object with Zoom's code and message",
        arguments: Transport.allCases,
        [
            Case(
                failure: .accountNotFound(AccountID(literal: "a")), status: 404, code: 2001,
                message: "Account does not exist: a."),
            Case(failure: .selfPay, status: 400, code: 2100, message: "This sub account is on self pay mode."),
            Case(
                failure: .rateLimited(retryAfter: .milliseconds(1500)), status: 429, code: 429,
                message: "Zoom's rate limit leaves no room for this request now. Try again later."),
            Case(
                failure: .credentialsRefused, status: 502, code: 4700,
                message: "Zoom refused the credentials of this service."),
            Case(
                failure: .permissionMissing(anyOf: ["a:b", "c:d"]), status: 502, code: 4711,
                message:
                    "The service's Zoom app lacks a scope for this operation. Any one of these is enough: a:b, c:d."),
            Case(
                failure: .dailyQuotaSpent(retryAfter: .milliseconds(1500)), status: 429, code: 429,
                message: "Zoom's daily rate limit leaves no room for this request today. Try again later."),
            Case(
                failure: .accountQuotaSpent(.listBillingInvoices, retryAfter: .milliseconds(1500)), status: 429,
                code: 429,
                message: "Zoom permits one such request in 5 minutes and 6 a day for an account. Try again later."),
            Case(
                failure: .sourceUnavailable(retryAfter: .milliseconds(1500)), status: 503, code: 503,
                message: "Zoom failed repeatedly, so no request is sent to it for a while. Try again later."),
            Case(failure: .sourceFailed, status: 502, code: 502, message: "Zoom failed to answer this request."),
            Case(failure: .sourceRejected, status: 502, code: 502, message: "Zoom failed to answer this request."),
            Case(
                failure: .accountListUnusable(.repeatedPage), status: 502, code: 502,
                message: "Zoom's list of accounts does not end: the token of the next page repeats."),
            Case(
                failure: .accountListUnusable(.tooManyPages(7, accounts: 30)), status: 502, code: 502,
                message: "Zoom's list of accounts does not end: there are more than 7 pages for 30 accounts."),
            Case(failure: .timedOut, status: 504, code: 504, message: "Zoom did not answer in time."),
            Case(
                failure: .stateUnavailable, status: 503, code: 503,
                message: "The service cannot record the change, so it was not sent. Try again later."),
        ])
    func failures(transport: Transport, row: Case) async throws {
        let source = Self.source { _, _ async throws(BillingFailure) in throw row.failure }
        try await TestService.with(source: source, over: transport) { service in
            let response = try await service.send("/v2/accounts/a/billing")
            #expect(response.status == row.status)
            #expect(response.fields.string(.contentType) == "application/problem+json")
            let json = try #require(response.json)
            #expect(json["status"]?.integer == row.status && json["code"]?.integer == row.code)
            #expect(json["message"] == .string(row.message) && json["detail"] == .string(row.message))
            let retryAfter: String? =
                switch row.status {
                case 429, 503: row.failure == .stateUnavailable ? "1" : "2"
                default: nil
                }
            #expect(response.fields.string(.retryAfter) == retryAfter)
        }
    }

    struct Request: CustomTestStringConvertible {
        var method = "GET"
        var target = "/v2/accounts/a/billing"
        var token: String? = TestService.token
        var fields: [(FieldName, String)] = []
        let status: Int
        let code: Int
        var testDescription: String { "\(method) \(target.prefix(60)) \(fields.map(\.1)) -> \(status)" }
    }

    private static let requests: [Request] = [
        Request(target: "/v2/accounts/no%20id/billing", status: 400, code: 300),
        Request(target: "/v2/accounts/../billing", status: 400, code: 300),
        Request(target: "/v2/accounts/a%2Fb/billing", status: 400, code: 300),
        Request(target: "/v2/accounts/\(String(repeating: "x", count: 65))/billing", status: 400, code: 300),
        Request(target: "/v2/accounts//billing", status: 404, code: 404),
        Request(target: "/v2/accounts/a/b/billing", status: 404, code: 404),
        Request(target: "/v2/accounts/a/billing/", status: 404, code: 404),
        Request(target: "/v2/accounts/a/b", status: 404, code: 404),
        Request(target: "/", status: 404, code: 404),
        Request(target: "/v2/accounts/\(String(repeating: "x", count: 8000))", status: 414, code: 414),
        Request(method: "POST", status: 405, code: 405),
        Request(method: "DELETE", target: "/v2/billing/stream", status: 405, code: 405),
        Request(method: "PUT", status: 405, code: 405),
        Request(method: "PATCH", target: "/v2/accounts/a/plans", status: 405, code: 405),
        Request(method: "OPTIONS", status: 405, code: 405),
        Request(method: "BREW", status: 501, code: 501),
        Request(token: nil, status: 401, code: 124),
        Request(token: "wrong", status: 401, code: 124),
        Request(token: nil, fields: [(.authorization, "Basic dGVzdA==")], status: 401, code: 124),
        Request(target: "/v2/accounts/no%20id/billing", token: nil, status: 401, code: 124),
        Request(target: "/v2/billing/stream", token: TestService.readerToken, status: 403, code: 4711),
        Request(fields: [(.accept, "text/html")], status: 406, code: 406),
        Request(fields: [(.accept, "application/json;q=0, text/html")], status: 406, code: 406),
        Request(target: "/v2/billing/stream", fields: [(.accept, "text/csv")], status: 406, code: 406),
        Request(target: "/v2/billing/stream?before=a", status: 400, code: 300),
        Request(target: "/v2/billing/stream?after=", status: 400, code: 300),
        Request(target: "/v2/billing/stream?after=a&after=b", status: 400, code: 300),
        Request(target: "/v2/billing/stream?after=%zz", status: 400, code: 300),
        Request(target: "/v2/billing/stream?only=contacts", status: 400, code: 300),
    ]

    @Test(
        "an invalid or unauthorized request is refused without a call to Zoom", arguments: Transport.allCases, requests)
    func refuses(transport: Transport, request: Request) async throws {
        let source = FakeSource()
        try await TestService.with(source: source, over: transport) { service in
            let response = try await service.send(
                request.target, method: request.method, token: request.token, request.fields)
            #expect(response.status == request.status)
            #expect(response.json?["code"]?.integer == request.code)
            // Without credentials the challenge has no error code (RFC 6750, 3.1).
            let refused =
                #"Bearer error="invalid_token", error_description="The token is not known, has expired or was revoked""#
            let challenge: String? =
                switch request.status {
                case 401: request.token == nil ? "Bearer" : refused
                case 403: #"Bearer error="insufficient_scope", scope="billing:export""#
                default: nil
                }
            #expect(response.fields.string(.wwwAuthenticate) == challenge)
            let allowed = request.target == "/v2/accounts/a/billing" ? "GET, HEAD, PATCH" : "GET, HEAD, POST"
            #expect(response.fields.string(.allow) == (request.status == 405 ? allowed : nil))
        }
        #expect(source.calls.isEmpty)
    }

    @Test(
        "every form of Accept that includes JSON is accepted",
        arguments: [
            "*/*", "application/json", "application/*", "text/html, application/json;q=0.5", "APPLICATION/JSON",
            "application/problem+json, */*;q=0.1",
        ])
    func accepts(accept: String) async throws {
        try await TestService.with(source: FakeSource()) { service in
            let response = try await service.send("/v2/accounts/a/billing", [(.accept, accept)])
            #expect(response.status == 200)
        }
    }

    @Test("several Accept fields are combined")
    func acceptsInParts() async throws {
        try await TestService.with(source: FakeSource()) { service in
            let response = try await service.send(
                "/v2/accounts/a/billing", [(.accept, "text/html"), (.accept, "application/json")])
            #expect(response.status == 200)
        }
    }

    @Test("a stream record is one line, even if Zoom's JSON has line breaks")
    func oneLine() async throws {
        let zoom = ScriptedHandler { request in
            let path = String(decoding: request.path, as: UTF8.self)
            return switch path {
            case "/oauth/token": .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            case "/v2/accounts": .now(.text(#"{"accounts":[{"id":"a"}],"next_page_token":""}"#))
            default: .now(.text("{\"city\":\"Oak\\nland\",\n\"extra\": {\n \"a\": 1}}"))
            }
        }
        try await TestZoom.with(zoom) { client in
            try await TestService.with(source: client) { service in
                let response = try await service.send("/v2/billing/stream?only=records")
                #expect(response.lines.count == 1)
                #expect(String(buffer: response.body).split(separator: "\n").count == 1)
                #expect(response.lines.first?["billing"]?.object?["extra"]?.object?["a"] == .number("1"))
            }
        }
    }

    @Test("a valid request id is returned, and an invalid one is replaced by a new one", arguments: Transport.allCases)
    func requestID(transport: Transport) async throws {
        try await TestService.with(source: FakeSource(), over: transport) { service in
            let own = try await service.send("/v2/accounts/a/billing", [(.requestID, "job-17.a_B")])
            #expect(own.fields.string(.requestID) == "job-17.a_B")
            var made: Set<String> = []
            for sent in ["", "a b", "a\"b", String(repeating: "x", count: 129)] {
                let response = try await service.send("/nope", [(.requestID, sent)])
                let id = try #require(response.fields.string(.requestID))
                #expect(id.utf8.count == 16)
                #expect(response.json?["instance"]?.string?.hasSuffix(id) == true)
                made.insert(id)
            }
            #expect(made.count == 4)
        }
    }

    @Test("HEAD gets the response of GET without the body", arguments: Transport.allCases)
    func head(transport: Transport) async throws {
        try await TestService.with(source: FakeSource(listed: [AccountID(literal: "a")]), over: transport) { service in
            let excessive = [(FieldName.userAgent, String(repeating: "a", count: 20_000))]
            for (target, fields) in [
                ("/v2/accounts/a/billing", []), ("/v2/accounts/no%20id/billing", []), ("/v2/billing/stream", []),
                ("/", excessive),
            ] {
                let get = try await service.send(target, fields)
                let head = try await service.send(target, method: "HEAD", fields)
                #expect(head.status == get.status && head.body.readableBytes == 0)
                #expect(head.fields.string(.contentType) == get.fields.string(.contentType))
                #expect(head.fields.string(.contentLength) == get.fields.string(.contentLength))
            }
        }
    }

    // MARK: The stream

    @Test("the stream has a line for each account in order, and an end line with counts", arguments: Transport.allCases)
    func stream(transport: Transport) async throws {
        let source = Self.source { account, _ async throws(BillingFailure) in
            switch account.rawValue {
            case "a": throw .selfPay
            case "b": throw .accountNotFound(account)
            default: return .contact(.sample(account))
            }
        }
        let time = TestClock(start: Timestamp(secondsSinceEpoch: 1_769_860_800))
        try await TestService.with(source: source, over: transport, time: time) { service in
            let response = try await service.send("/v2/billing/stream")
            #expect(response.status == 200)
            #expect(response.fields.string(.contentType) == "application/x-ndjson")
            #expect(response.fields.string(.accelBuffering) == "no")
            let lines = String(buffer: response.body).split(separator: "\n").map(String.init)
            #expect(lines.count == 5)
            #expect(lines[0] == #"{"type":"begin","accounts":3,"after":null,"as_of":"2026-01-31T12:00:00.000Z"}"#)
            #expect(
                lines[1] == #"{"type":"failure","account_id":"a","status":400,"code":2100,"message":"This sub account "#
                    + #"is on self pay mode."}"#)
            #expect(
                lines[2] == #"{"type":"failure","account_id":"b","status":404,"code":2001,"message":"Account does not "#
                    + #"exist: b."}"#)
            #expect(
                lines[3].hasPrefix(#"{"type":"contact","account_id":"c","as_of":"2026-01-31T12:00:00Z","billing":{"#))
            #expect(
                lines[4] == #"{"type":"end","complete":true,"contacts":1,"failures":2,"by_code":{"2001":1,"2100":1},"#
                    + #""elapsed_ms":0,"as_of":"2026-01-31T12:00:00.000Z"}"#)
        }
    }

    @Test(
        "after= resumes the stream after the named account, percent-encoded or not", arguments: Transport.allCases,
        ["a", "%61"])
    func resume(transport: Transport, after: String) async throws {
        let source = Self.source { account, _ async throws(BillingFailure) in .contact(.sample(account)) }
        try await TestService.with(source: source, over: transport) { service in
            let lines = try await service.send("/v2/billing/stream?after=\(after)").lines
            #expect(lines.first?["after"] == .string("a") && lines.first?["accounts"] == .number("2"))
            #expect(lines.compactMap { $0["account_id"]?.string } == ["b", "c"])
            #expect(lines.last?["contacts"] == .number("2"))
        }
    }

    @Test("only=records omits the begin and end lines", arguments: Transport.allCases)
    func records(transport: Transport) async throws {
        let source = Self.source { account, _ async throws(BillingFailure) in .contact(.sample(account)) }
        try await TestService.with(source: source, over: transport) { service in
            let response = try await service.send(
                "/v2/billing/stream?only=records", [(.accept, "application/jsonl")])
            #expect(response.fields.string(.contentType) == "application/jsonl")
            #expect(response.lines.map { $0["type"] } == Array(repeating: .string("contact"), count: 3))
        }
    }

    @Test("a stream that fails ends with an error line and a reset, without an end line")
    func broken() async throws {
        let source = Self.source { account, _ async throws(BillingFailure) in
            if account.rawValue == "b" { throw .credentialsRefused }
            return .contact(.sample(account))
        }
        try await TestService.with(source: source) { service in
            try await FramePeer.connected(to: service.server.port) { peer in
                let fields = FramePeer.get("/v2/billing/stream") + [("authorization", "Bearer \(TestService.token)")]
                try await peer.send(.headers(1, fields))
                var body: [UInt8] = []
                var frame = try await peer.next()
                while frame.kind != .reset {
                    if frame.kind == .data { body += frame.payload }
                    #expect(!frame.endsStream)
                    frame = try await peer.next()
                }
                #expect(frame.errorCode == HTTP2ErrorCode.internalError.rawValue)
                let lines = String(decoding: body, as: UTF8.self).split(separator: "\n")
                #expect(lines.last?.hasPrefix(#"{"type":"error","status":502,"code":4700,"#) == true)
                #expect(!lines.contains { $0.contains("\"end\"") })
            }
        }
    }

    @Test("lookups are cancelled when the reader resets the stream")
    func readerLeaves() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        let source = Self.source { account, _ async throws(BillingFailure) in
            started.fire()
            await untilCancelled()
            cancelled.fire()
            throw .cancelled
        }
        try await TestService.with(source: source) { service in
            try await FramePeer.connected(to: service.server.port) { peer in
                let fields = FramePeer.get("/v2/billing/stream") + [("authorization", "Bearer \(TestService.token)")]
                try await peer.send(.headers(1, fields))
                for _ in 0..<3 { try await started.next() }
                try await peer.send(.reset(1, 8))
                for _ in 0..<3 { try await cancelled.next() }
            }
        }
    }
}

extension TestService {
    fileprivate func send(_ target: String, _ fields: [(FieldName, String)]) async throws(HTTPFailure)
        -> ClientResponse
    {
        try await send(target, method: "GET", token: Self.token, fields)
    }
}
