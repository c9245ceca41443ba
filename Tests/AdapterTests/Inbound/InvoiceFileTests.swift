import Adapters
import Domain
import DomainFakes
import Logging
import NIOCore
import Synchronization
import Testing

/// A Zoom that answers downloads as the test says, and records them.
private final class FileZoom: RequestHandler {
    typealias Answer = @Sendable (HTTPRequest, _ number: Int) -> Reply

    private struct State {
        var tokens = 0
        var requests: [String] = []
        var authorizations: [String?] = []
    }

    private let state = Mutex(State())
    private let answer: Answer

    init(_ answer: @escaping Answer) {
        self.answer = answer
    }

    /// The target of each request for a file.
    var requests: [String] { state.withLock { $0.requests } }

    var authorizations: [String?] { state.withLock { $0.authorizations } }

    func reply(to request: HTTPRequest) -> Reply {
        guard !request.path.elementsEqual("/oauth/token".utf8) else {
            let number = state.withLock { state in
                state.tokens += 1
                return state.tokens
            }
            return .now(.text(#"{"access_token":"t\#(number)","expires_in":3600}"#))
        }
        let number = state.withLock { state in
            state.requests.append(String(decoding: request.target, as: UTF8.self))
            state.authorizations.append(request.fields.string(.authorization))
            return state.requests.count
        }
        return answer(request, number)
    }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        .text("\(refusal.status)", status: refusal.status)
    }

    /// Runs a service whose Zoom this is.
    ///
    /// - Parameter allows: The hosts that redirects may lead to, and the URL of files, given the port of this Zoom.
    func with(
        over transport: Transport = .h2c, callers: FakeCallers? = nil, owners: InvoiceOwners = InvoiceOwners(),
        logger: Logger = .silent,
        files: (_ port: Int) -> ZoomConfiguration.InvoiceFiles = { _ in .init() },
        _ test: (TestService) async throws -> Void
    ) async throws {
        try await withServer(self) { server in
            try await TestZoom.with(
                server, [.test(server)], FakeCredentials([.test()]), logger: logger,
                change: { $0.invoiceFiles = files(server.port) }
            ) { client in
                try await TestService.with(
                    source: client, files: client, owners: owners, over: transport, callers: callers, test)
            }
        }
    }
}

extension HTTPResponse {
    fileprivate static func pdf(_ text: String = "%PDF-1.4\nhello\n", fields: [(FieldName, String)] = [])
        -> HTTPResponse
    {
        var response = HTTPResponse.text(text, contentType: "application/pdf")
        for (name, value) in fields { response.fields.append(name, value) }
        return response
    }

    fileprivate static func redirect(to location: String, status: Int = 302) -> HTTPResponse {
        var response = HTTPResponse(status: status)
        response.fields.append(.location, location)
        return response
    }
}

private let path = "/v2/billing/invoices/2c92a0/download"
private let olderPath = "/v2/api/download/billing/invoices/2c92a0"

@Suite("Downloads of invoice files", .timeLimit(.minutes(10)))
struct InvoiceFileTests {
    private static func problemType(_ response: ClientResponse) -> String? {
        response.json?["type"]?.string.map { String($0.dropFirst("/v2/errors#".count)) }
    }

    private static func detail(_ response: ClientResponse) -> String? { response.json?["detail"]?.string }

    // MARK: Files

    @Test(
        "a file is passed on with its length, digests and entity tag", arguments: Transport.allCases, [path, olderPath])
    func file(transport: Transport, path: String) async throws {
        let digest = "sha-256=:RBNvJTQLIsnbjzYbwZTtFkRUQp5Zb1ot84qIAXXVTA0=:"
        let zoom = FileZoom { _, _ in
            .now(
                .pdf(
                    fields: [
                        (.reprDigest, digest), (.etag, "\"a1\""), (FieldName("set-cookie"), "secret=1"),
                        (FieldName("x-zm-trackingid"), "v=2.0"),
                    ]))
        }
        try await zoom.with(over: transport) { service in
            let response = try await service.send(path)
            #expect(response.status == 200)
            #expect(String(buffer: response.body) == "%PDF-1.4\nhello\n")
            let fields = response.fields
            #expect(fields.string(.contentType) == "application/pdf")
            #expect(fields.string(.contentDisposition) == "attachment; filename=\"invoice-2c92a0.pdf\"")
            #expect(fields.string(.reprDigest) == digest && fields.string(.etag) == "\"a1\"")
            #expect(fields.string(.cacheControl) == "private, no-store")
            #expect(fields.string(.contentTypeOptions) == "nosniff")
            #expect(fields.string(.requestID) != nil)
            // Other fields of Zoom's are not passed on.
            #expect(fields.string(FieldName("set-cookie")) == nil && fields.string(FieldName("x-zm-trackingid")) == nil)
        }
        #expect(zoom.requests == ["/v2/billing/invoices/2c92a0/download"])
        #expect(zoom.authorizations == ["Bearer t1"])
    }

    @Test("a length that Zoom states is stated to the caller, over HTTP/2 and HTTP/1.1", arguments: Transport.allCases)
    func length(transport: Transport) async throws {
        let zoom = FileZoom { _, _ in .now(.pdf(fields: [(.contentLength, "15")])) }
        try await zoom.with(over: transport) { service in
            let response = try await service.send(path)
            #expect(response.fields.string(.contentLength) == "15")
            #expect(response.body.readableBytes == 15)
        }
    }

    @Test(
        "the file name is Zoom's if it is safe, otherwise it is made of the invoice's id",
        arguments: [
            ("attachment; filename=\"INV0001.pdf\"", "INV0001.pdf"),
            ("attachment; filename=INV-1_a b.PDF", "INV-1_a b.PDF"),
            ("attachment; filename=\"../../etc/passwd.pdf\"", nil), ("attachment; filename=\"a\\\\b.pdf\"", nil),
            ("attachment; filename=\".hidden.pdf\"", nil), ("attachment; filename=run.exe", nil),
            ("attachment; filename=\"a.pdf\\\"; filename=x.exe\"", nil),
            ("attachment; filename*=UTF-8''caf%C3%A9.pdf", nil),
            ("attachment; filename*=UTF-8''a%0d%0aX-Evil:%201.pdf", nil), ("attachment; filename=\"-rf.pdf\"", nil),
            ("attachment; filename=\"" + String(repeating: "a", count: 200) + ".pdf\"", nil), ("inline", nil),
        ])
    func fileName(field: String, name: String?) async throws {
        let zoom = FileZoom { _, _ in .now(.pdf(fields: [(.contentDisposition, field)])) }
        try await zoom.with { service in
            let response = try await service.send(path)
            #expect(
                response.fields.string(.contentDisposition)
                    == "attachment; filename=\"\(name ?? "invoice-2c92a0.pdf")\"")
        }
    }

    @Test("HEAD describes the file without a request to Zoom")
    func head() async throws {
        let zoom = FileZoom { _, _ in .now(.pdf()) }
        try await zoom.with { service in
            let response = try await service.send(path, method: "HEAD")
            #expect(response.status == 200 && response.body.readableBytes == 0)
            #expect(response.fields.string(.contentType) == "application/pdf")
            #expect(response.fields.string(.contentLength) == nil)
        }
        #expect(zoom.requests.isEmpty)
    }

    @Test(
        "a request that cannot be answered with a file is refused without a request to Zoom",
        arguments: [
            ("/v2/billing/invoices/a%20b/download", FieldName.accept, "*/*", 400), (path, .accept, "text/html", 406),
            (path, .cacheControl, "only-if-cached", 504),
        ])
    func refused(path: String, name: FieldName, value: String, status: Int) async throws {
        let zoom = FileZoom { _, _ in .now(.pdf()) }
        try await zoom.with { service in
            let response = try await service.send(path, [(name, value)])
            #expect(response.status == status)
            let withoutScope = try await service.send(path, token: TestService.readerToken)
            #expect(withoutScope.status != 200)
        }
        #expect(zoom.requests.isEmpty)
    }

    // MARK: Other answers

    @Test(
        "an answer that is not a PDF file is 502, and none of it is passed on",
        arguments: [
            "<html>Sign in</html>", "", "%PD", "hello", " %PDF-1.4", "{\"a\":1}", "\u{FEFF}%PDF",
            String(repeating: "x", count: 200_000),
        ])
    func notPDF(body: String) async throws {
        let logged = Event<String>()
        let logger = Logger(label: "test") { _ in LineLogHandler { logged.fire($0) } }
        let zoom = FileZoom { _, _ in .now(.pdf(body)) }
        try await zoom.with(logger: logger) { service in
            let response = try await service.send(path)
            #expect(response.status == 502)
            #expect(Self.problemType(response) == "zoom-invoice-file")
            #expect(Self.detail(response) == "Zoom answered with a file that is not a PDF.")
            while true {
                let line = try await logged.next()
                if line.contains("answers with a file that is not a PDF") { break }
            }
        }
        // It is not requested again: Zoom permits few downloads.
        #expect(zoom.requests.count == 1)
    }

    @Test("a compressed file is 502")
    func compressed() async throws {
        let zoom = FileZoom { _, _ in .now(.pdf(fields: [(.contentEncoding, "gzip")])) }
        try await zoom.with { service in
            let response = try await service.send(path)
            #expect(response.status == 502)
            #expect(Self.detail(response) == "Zoom answered with a compressed file, which was not accepted.")
        }
    }

    @Test(
        "an error of Zoom's is translated, whatever its status",
        arguments: [
            (404, #"{"code":404,"message":"Invoice does not exist: 2c92a0."}"#, 404, "invoice-not-found"),
            (404, #"{"code":3201,"message":"No such invoice."}"#, 404, "invoice-not-found"),
            (404, "<html></html>", 502, "zoom-failed"),
            (404, #"{"code":2300,"message":"API not found."}"#, 502, "zoom-failed"),
            (400, #"{"code":2100,"message":"This sub account is on self pay mode."}"#, 400, "self-pay"),
            (200, #"{"code":2100,"message":"This sub account is on self pay mode."}"#, 400, "self-pay"),
            (500, "", 502, "zoom-failed"), (403, #"{"code":200,"message":"No permission."}"#, 502, "zoom-credentials"),
            (429, #"{"code":429,"message":"Too Many Requests"}"#, 429, "account-rate-limit"),
        ])
    func errors(status: Int, body: String, expected: Int, type: String) async throws {
        let zoom = FileZoom { _, _ in .now(.text(body, status: status)) }
        try await zoom.with { service in
            let response = try await service.send(path)
            #expect(response.status == expected)
            #expect(Self.problemType(response) == type)
        }
    }

    @Test(
        "a refused access token is renewed once before the file begins",
        arguments: [
            (401, #"{"code":124,"message":"Invalid access token."}"#),
            (200, #"{"code":124,"message":"Invalid access token."}"#),
        ])
    func renewed(status: Int, body: String) async throws {
        let zoom = FileZoom { _, number in .now(number == 1 ? .text(body, status: status) : .pdf()) }
        try await zoom.with { service in
            let response = try await service.send(path)
            #expect(response.status == 200)
        }
        #expect(zoom.authorizations == ["Bearer t1", "Bearer t2"])
    }

    // MARK: Redirects

    @Test(
        "one redirect to an allowed host is followed, without the access token", arguments: [301, 302, 303, 307, 308])
    func redirect(status: Int) async throws {
        let files = FileZoom { _, _ in .now(.pdf()) }
        try await withServer(files) { server in
            let zoom = FileZoom { _, _ in
                .now(.redirect(to: "http://127.0.0.1:\(server.port)/signed/a.pdf?key=1", status: status))
            }
            try await zoom.with(
                files: { _ in
                    var files = ZoomConfiguration.InvoiceFiles()
                    files.redirectHosts = [RedirectTarget.Host("127.0.0.1:\(server.port)")].compactMap { $0 }
                    return files
                }
            ) { service in
                let response = try await service.send(path)
                #expect(response.status == 200 && String(buffer: response.body) == "%PDF-1.4\nhello\n")
            }
            #expect(zoom.authorizations == ["Bearer t1"])
        }
        #expect(files.requests == ["/signed/a.pdf?key=1"])
        #expect(files.authorizations == [nil])
    }

    @Test("a redirect to the same host is followed, without the access token")
    func sameHost() async throws {
        let zoom = FileZoom { _, number in .now(number == 1 ? .redirect(to: "/files/a.pdf") : .pdf()) }
        try await zoom.with { service in
            let response = try await service.send(path)
            #expect(response.status == 200)
        }
        #expect(zoom.requests == ["/v2/billing/invoices/2c92a0/download", "/files/a.pdf"])
        #expect(zoom.authorizations == ["Bearer t1", nil])
    }

    @Test(
        "any other redirect is 502 with its reason",
        arguments: [
            ("http://evil.example/a.pdf", "Zoom redirects to a host that the configuration does not allow."),
            ("http://user@127.0.0.1/a.pdf", "Zoom redirects to an address that cannot be read."),
            ("a.pdf", "Zoom redirects to an address that cannot be read."),
            ("", "Zoom redirects to an address that cannot be read."),
        ])
    func refusedRedirect(location: String, detail: String) async throws {
        let zoom = FileZoom { _, _ in .now(.redirect(to: location)) }
        try await zoom.with { service in
            let response = try await service.send(path)
            #expect(response.status == 502)
            #expect(Self.problemType(response) == "zoom-invoice-redirect")
            #expect(Self.detail(response) == detail)
        }
        #expect(zoom.requests.count == 1)
    }

    @Test("a second redirect, and a redirect to something else than a file, are 502", arguments: [302, 403, 401, 200])
    func failedRedirect(status: Int) async throws {
        let zoom = FileZoom { _, number in
            if number == 1 { return .now(.redirect(to: "/second")) }
            return .now(status == 302 ? .redirect(to: "/third") : .text("no file", status: status))
        }
        try await zoom.with { service in
            let response = try await service.send(path)
            #expect(response.status == 502)
            let details = [
                302: "Zoom redirects more than once.", 200: "Zoom answered with a file that is not a PDF.",
            ]
            #expect(
                Self.detail(response) == details[status]
                    ?? "Zoom redirects to an address that does not answer with the file.")
        }
        // The token is not renewed because of another server's 401.
        #expect(zoom.authorizations == ["Bearer t1", nil])
    }

    @Test("files are requested at the configured URL")
    func configuredURL() async throws {
        let zoom = FileZoom { _, _ in .now(.pdf()) }
        try await zoom.with(
            files: { port in
                var files = ZoomConfiguration.InvoiceFiles()
                files.url = .init(
                    origin: Origin(scheme: .http, host: "127.0.0.1", port: port), path: "/api/download/{invoiceId}/pdf")
                return files
            }
        ) { service in
            let response = try await service.send(path)
            #expect(response.status == 200)
        }
        #expect(zoom.requests == ["/api/download/2c92a0/pdf"])
    }

    // MARK: Streaming

    /// A file of 40 MB, which is cut off after `cutAfter` bytes.
    private static func large(
        cutAfter: Int = .max, hasLength: Bool, gone: Event<Void>? = nil
    ) -> FileZoom {
        FileZoom { _, _ in
            var head = HTTPResponse.pdf("")
            if hasLength { head.fields.append(.contentLength, 40_000_000) }
            return .stream(head) { body in
                var piece = ByteBuffer(string: "%PDF-1.4\n")
                piece.writeRepeatingByte(UInt8(ascii: "x"), count: 100_000 - piece.readableBytes)
                for number in 0..<400 {
                    if number * 100_000 >= cutAfter { return .broken }
                    do {
                        try await body.write(piece)
                    } catch {
                        gone?.fire()
                        return .broken
                    }
                }
                return .complete
            }
        }
    }

    private static func stream(_ service: TestService) async throws -> StreamedResponse {
        var request = ClientRequest(
            method: "GET", scheme: service.client.origin.scheme.rawValue, authority: service.client.origin.authority,
            target: path)
        request.fields.append(.authorization, "Bearer \(TestService.token)")
        return try await service.client.stream(request, headTimeout: .minutes(1), silenceMax: .minutes(1))
    }

    @Test("a large file is passed on whole", arguments: Transport.allCases, [true, false])
    func whole(transport: Transport, hasLength: Bool) async throws {
        try await Self.large(hasLength: hasLength).with(over: transport) { service in
            let response = try await Self.stream(service)
            #expect(response.fields.string(.contentLength) == (hasLength ? "40000000" : nil))
            var count = 0
            while let bytes = try await response.body.next() { count += bytes.readableBytes }
            #expect(count == 40_000_000)
        }
    }

    @Test(
        "a file that Zoom cuts off is visibly incomplete: a reset over HTTP/2, a closed connection over HTTP/1.1",
        arguments: Transport.allCases, [true, false])
    func cutOff(transport: Transport, hasLength: Bool) async throws {
        try await Self.large(cutAfter: 3_000_000, hasLength: hasLength).with(over: transport) { service in
            let response = try await Self.stream(service)
            var failure: HTTPFailure?
            do throws(HTTPFailure) {
                while try await response.body.next() != nil {}
            } catch {
                failure = error
            }
            switch transport {
            case .h2c, .h2: #expect(failure == .resetByPeer(.internalError))
            case .http1: #expect(failure == .connectionLost || failure == .malformed)
            }
        }
    }

    @Test("a caller that leaves ends the request to Zoom", arguments: Transport.allCases)
    func leaves(transport: Transport) async throws {
        let gone = Event<Void>()
        try await Self.large(hasLength: true, gone: gone).with(over: transport) { service in
            let response = try await Self.stream(service)
            _ = try await response.body.next()
            response.body.cancel()
            try await gone.next()
        }
    }

    // MARK: Rights

    @Test("a restricted caller downloads only invoices that a list has shown to belong to its accounts")
    func restricted() async throws {
        let own = AccountID(literal: "own-account")
        let callers = FakeCallers([
            TestService.token: .everything,
            "restricted": Caller(
                name: Name(literal: "restricted"), scopes: [.invoicesRead], accounts: AllowList([own])),
        ])
        let owners = InvoiceOwners()
        let zoom = FileZoom { _, _ in .now(.pdf()) }
        let lists = FakeSource(answer: { account, _ async throws(BillingFailure) in
            let invoice = InvoiceList.Invoice(
                id: InvoiceID(account == own ? "own-invoice" : "foreign-invoice"), date: nil,
                document: SourceDocument(text: Array("{}".utf8)))
            return .invoices(InvoiceList(members: [], invoices: [invoice]))
        })
        let recording = OwnerRecordingSource(lists, owners: owners)
        let today = try #require(CalendarDate("2026-03-01"))
        let period = try InvoicePeriod(from: "2026-01-01", to: "2026-02-01", today: today)
        try await zoom.with(callers: callers, owners: owners) { service in
            func answer(_ invoice: String) async throws -> (Int, String?) {
                let response = try await service.send(
                    "/v2/billing/invoices/\(invoice)/download", token: "restricted", [(.requestID, "same")])
                return (response.status, String(buffer: response.body).replacing(invoice, with: "ID"))
            }
            let unknown = try await answer("own-invoice")
            #expect(unknown.0 == 404)
            for account in [own, AccountID(literal: "foreign-account")] {
                _ = try await recording.answer(
                    to: .invoices(of: account, in: period), under: nil, for: .interactive(for: nil))
            }
            let own = try await answer("own-invoice")
            #expect(own.0 == 200)
            // An invoice of another account has the same answer as an unknown one.
            let foreign = try await answer("foreign-invoice")
            let invented = try await answer("invented-invoice")
            #expect(foreign == invented && foreign == unknown)
            let unrestricted = try await service.send("/v2/billing/invoices/foreign-invoice/download")
            #expect(unrestricted.status == 200)
        }
        #expect(zoom.requests.map { $0.split(separator: "/")[3] } == ["own-invoice", "foreign-invoice"])
    }
}
