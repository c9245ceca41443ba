import Adapters
import Domain
import DomainFakes
import FoundationEssentials
import Logging
import Metrics
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Runs `test` with a temporary folder, which is removed afterwards.
func withTemporaryFolder(_ test: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "billing-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    try await test(folder.path(percentEncoded: false))
}

/// Writes a file. A new file has mode 0600.
func write(_ text: String, to path: String) throws {
    let isNew = !FileManager.default.fileExists(atPath: path)
    try Data(text.utf8).write(to: URL(filePath: path))
    if isNew { try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path) }
}

/// The real Zoom client, connected to a sandbox in this process.
struct TestZoom {
    static let app = SandboxConfiguration.App(
        accountID: "master", clientID: "test-client", clientSecret: "test-secret")

    let client: ZoomMasters
    let sandbox: SandboxZoom

    /// - Parameters:
    ///   - app: The app that the sandbox accepts.
    ///   - secret: The client secret that the client sends.
    static func with(
        app: SandboxConfiguration.App = app, secret: String = app.clientSecret, accounts: Int = 200,
        limits: SandboxConfiguration.Limits = .none, rate: RateBudget.Rules? = nil,
        waitMax: Duration = .seconds(10), interactiveTimeMax: Duration? = nil, time: any TimeSource = SystemTime(),
        _ test: (TestZoom) async throws -> Void
    ) async throws {
        let sandbox = SandboxZoom(
            configuration: SandboxConfiguration(apps: [app], accounts: accounts, limits: limits), time: time)
        try await with(
            sandbox, secret: secret, rate: rate, waitMax: waitMax, interactiveTimeMax: interactiveTimeMax, time: time
        ) { client in
            try await test(TestZoom(client: client, sandbox: sandbox))
        }
    }

    /// Runs `test` with a client of a handler that acts as Zoom.
    static func with(
        _ handler: any RequestHandler, secret: String = app.clientSecret, rate: RateBudget.Rules? = nil,
        waitMax: Duration = .seconds(10), interactiveTimeMax: Duration? = nil, time: any TimeSource = SystemTime(),
        tracer: ServiceTracer = ServiceTracer(),
        _ test: (ZoomMasters) async throws -> Void
    ) async throws {
        let server = try await HTTPServer(
            host: "127.0.0.1", port: 0, group: .singleton, handler: handler, configuration: .test(grace: .seconds(1)),
            logger: .silent)
        let credentials = FakeCredentials([.test(secret: secret)])
        try await withServices([server]) {
            try await with(
                server, [.test(server, rate: rate)], credentials, waitMax: waitMax,
                interactiveTimeMax: interactiveTimeMax, time: time, tracer: tracer, test)
        }
    }

    /// Runs `test` with a client of a server that acts as Zoom.
    static func with(
        _ server: HTTPServer, _ masters: [ZoomMasters.Master], _ credentials: FakeCredentials,
        sharedTokens: (any SharedTokens)? = nil, sharedRates: (any SharedRates)? = nil,
        sharedQuotas: (any SharedQuotas)? = nil,
        waitMax: Duration = .seconds(10), retryTime: Duration = .zero,
        interactiveTimeMax: Duration? = nil, timeout: TimeAmount = .seconds(30), answerBytesMax: Int? = nil,
        time: any TimeSource = SystemTime(), tracer: ServiceTracer = ServiceTracer(), logger: Logger = .silent,
        change: (inout ZoomConfiguration) -> Void = { _ in },
        _ test: (ZoomMasters) async throws -> Void
    ) async throws {
        var configuration = ZoomConfiguration(
            api: .init(origin: server.origin, path: "/v2"),
            oauth: .init(origin: server.origin, path: "/oauth/token"))
        configuration.waitMax = waitMax
        configuration.retryTime = retryTime
        configuration.interactiveTimeMax = interactiveTimeMax
        configuration.timeout = timeout
        configuration.answerBytesMax = answerBytesMax
        configuration.http.useLongTimeouts()
        change(&configuration)
        let client = ZoomMasters(
            masters, configuration: configuration, credentials: credentials, sharedTokens: sharedTokens,
            sharedRates: sharedRates, sharedQuotas: sharedQuotas, group: .singleton, time: time, tracer: tracer,
            logger: logger)
        try await withServices([client]) { try await test(client) }
    }

    /// A sandbox account that the master pays for.
    var paidAccount: AccountID { AccountID(literal: sandbox.accounts.id(of: 0)) }

    var selfPayAccount: AccountID { AccountID(literal: sandbox.accounts.id(of: 42)) }
}

extension MasterCredentials {
    /// The credentials of `TestZoom.app`.
    static func test(name: String = "main", secret: String = TestZoom.app.clientSecret) -> MasterCredentials {
        MasterCredentials(
            name: Name(literal: name), accountID: AccountID(literal: TestZoom.app.accountID),
            clientID: TestZoom.app.clientID, clientSecret: Secret(secret))
    }
}

extension ZoomMasters.Master {
    static func test(
        _ server: HTTPServer, name: String = "main", rate: RateBudget.Rules? = nil
    ) -> ZoomMasters.Master {
        ZoomMasters.Master(
            name: Name(literal: name), accountID: AccountID(literal: TestZoom.app.accountID),
            api: .init(origin: server.origin, path: "/v2"), oauth: .init(origin: server.origin, path: "/oauth/token"),
            rates: rate.map { [.medium: $0] } ?? [:])
    }
}

/// The protocol of a test's requests: HTTP/2 in clear text, HTTP/2 over TLS, or HTTP/1.1 over TLS.
enum Transport: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case h2c
    case h2
    case http1

    var testDescription: String { rawValue }

    /// The TLS contexts of server and clients, made once. Their files are removed before the first use.
    private static let contexts = Task {
        let made = Mutex<(ServerCertificate, h2: TLSContext, http1: TLSContext)?>(nil)
        try await TestCertificates.with { certificates in
            let server = try ServerCertificate.test(certificates.server)
            let h2 = try TLSContext(clientTrusting: certificates.ca)
            let http1 = try TLSContext(clientTrusting: certificates.ca, offering: [.http1])
            made.withLock { $0 = (server, h2, http1) }
        }
        return try #require(made.withLock { $0 })
    }

    func certificate() async throws -> ServerCertificate? {
        switch self {
        case .h2c: nil
        case .h2, .http1: try await Self.contexts.value.0
        }
    }

    /// A TLS context for a client that trusts `certificate()`.
    func trust() async throws -> TLSContext? {
        switch self {
        case .h2c: nil
        case .h2: try await Self.contexts.value.h2
        case .http1: try await Self.contexts.value.http1
        }
    }

    func client(of server: HTTPServer) async throws -> HTTPClient {
        var configuration = HTTPClient.Configuration.longTimeouts
        var scheme = Origin.Scheme.https
        switch self {
        case .h2c: scheme = .http
        case .h2: configuration.tls = try await Self.contexts.value.h2
        case .http1: configuration.tls = try await Self.contexts.value.http1
        }
        return HTTPClient(
            origin: Origin(scheme: scheme, host: "127.0.0.1", port: server.port), group: .singleton,
            configuration: configuration, logger: .silent)
    }
}

/// The whole service in this process, from its listener to its contact source.
struct TestService {
    static let token = "caller-token"
    static let readerToken = "reader-token"

    let server: HTTPServer
    let client: HTTPClient
    let cache: BillingCache

    /// - Parameter wrap: Makes the handler of the server from the router.
    static func with(
        source: any BillingSource & SubAccountDirectory,
        files: any InvoiceFileSource<StreamedFile> = FakeInvoiceFiles(), owners: InvoiceOwners = InvoiceOwners(),
        writer: any AccountWriter = FakeWriter(),
        keys: any IdempotencyStore = MemoryIdempotencyStore(window: .seconds(86_400)),
        writeRules: WriteAccount.Rules = WriteAccount.Rules(),
        over transport: Transport = .h2c,
        time: any TimeSource = SystemTime(), callers: FakeCallers? = nil, audit: Logger = .silent,
        logger: Logger = .silent, metrics: any MetricsFactory = .none, timeouts: Timeouts = .longTimeouts,
        cacheRules: CacheRules = CacheRules(), listRules: AccountListCache.Rules = .init(),
        guesses: Limits.Rate = Limits.Rate(burst: 50, perSecond: 1),
        wrap: (Router) -> any RequestHandler = { $0 },
        _ test: (TestService) async throws -> Void
    ) async throws {
        let callers =
            callers
            ?? FakeCallers([
                token: .everything, readerToken: Caller(name: Name(literal: "reader"), scopes: [.billingRead]),
            ])
        let cache = BillingCache(source: source, time: time, rules: cacheRules, codec: AnswerLines())
        let lists = AccountListCache(directory: source, time: time, rules: listRules)
        let writeAccount = WriteAccount(
            writer: writer, source: source, cache: cache, keys: keys, rules: writeRules, time: time,
            digest: { SHA256Digest(of: $0[...]).bytes })
        let router = Router(
            readAccount: ReadAccount(cache: cache),
            listAccounts: ListAccounts(lists: lists, directory: source, time: time),
            exportBilling: ExportBilling(lists: lists, cache: cache, source: source, time: time),
            openInvoiceFile: OpenInvoiceFile(source: files, owners: owners),
            writeAccount: writeAccount, callers: callers, audit: AuditLog(logger: audit),
            accessLog: AccessLog(share: 1, logger: logger, metrics: metrics), guesses: guesses, time: time,
            metrics: metrics, logger: logger)
        let server = try await HTTPServer(
            host: "127.0.0.1", port: 0, group: .singleton, handler: wrap(router),
            configuration: .test(timeouts: timeouts, grace: .seconds(10), tls: try await transport.certificate()),
            logger: .silent)
        let client = try await transport.client(of: server)
        try await withServices([server]) {
            try await test(TestService(server: server, client: client, cache: cache))
            await client.close()
        }
        await writeAccount.close()
        await cache.close()
        await lists.close()
    }

    func send(
        _ target: String, method: String = "GET", token: String? = token, _ fields: [(FieldName, String)] = []
    ) async throws(HTTPFailure) -> ClientResponse {
        var request = ClientRequest(
            method: method, scheme: client.origin.scheme.rawValue, authority: client.origin.authority, target: target)
        if let token { request.fields.append(.authorization, "Bearer \(token)") }
        for (name, value) in fields { request.fields.append(name, value) }
        return try await client.exchange(request, bodyBytesMax: 10_000_000, timeout: .minutes(5))
    }
}

extension TestService {
    /// Sends a POST with a body.
    func post(
        _ target: String, _ body: String, _ fields: [(FieldName, String)] = []
    ) async throws(HTTPFailure) -> ClientResponse {
        var request = ClientRequest(
            method: "POST", scheme: client.origin.scheme.rawValue, authority: client.origin.authority, target: target,
            body: ByteBuffer(string: body))
        request.fields.append(.authorization, "Bearer \(Self.token)")
        request.fields.append(.contentLength, body.utf8.count)
        for (name, value) in fields { request.fields.append(name, value) }
        return try await client.exchange(request, bodyBytesMax: 10_000_000, timeout: .minutes(5))
    }
}

extension ClientResponse {
    var json: JSONObject? {
        (try? JSONValue(parsing: Array(body.readableBytesView)))?.object
    }

    /// The objects of an NDJSON body.
    var lines: [JSONObject] {
        body.readableBytesView.split(separator: UInt8(ascii: "\n")).compactMap {
            (try? JSONValue(parsing: Array($0)))?.object
        }
    }
}
