import Adapters
import Domain
import DomainFakes
import Logging
import NIOCore

/// The parsers that receive untrusted bytes, with their invariants. A violation traps.
enum FuzzTarget: String, CaseIterable {
    /// A complete clear-text connection, from its first byte.
    case connection
    /// The HTTP/2 frames of a client, after its preface.
    case frames
    /// The HTTP/2 frames of a server, received by the HTTP client.
    case serverFrames = "server-frames"
    case firstBytes = "first-bytes"
    case proxyHeader = "proxy-header"
    case forwarded
    /// A path and its query, through the whole router.
    case target
    /// Zoom's responses, and JSON in general.
    case zoomAnswer = "zoom-answer"
    case tokenAnswer = "token-answer"
    case retryAfter = "retry-after"
    /// Files that operators write.
    case credentialsFile = "credentials-file"
    case callersFile = "callers-file"
    case sealedFile = "sealed-file"
    /// The replies of Redis.
    case redisReplies = "redis-replies"

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    func run(_ bytes: [UInt8]) {
        switch self {
        case .connection: FuzzConnection.server(bytes, isPrefaced: false)
        case .frames: FuzzConnection.server(bytes, isPrefaced: true)
        case .serverFrames: FuzzConnection.client(bytes)
        case .firstBytes: Self.firstBytes(bytes)
        case .proxyHeader: Self.proxyHeader(bytes)
        case .forwarded: Self.forwarded(bytes)
        case .target: Self.target(bytes)
        case .zoomAnswer: Self.zoomAnswer(bytes)
        case .tokenAnswer: Self.tokenAnswer(bytes)
        case .retryAfter: Self.retryAfter(bytes)
        case .credentialsFile: Self.credentialsFile(bytes)
        case .callersFile: Self.callersFile(bytes)
        case .sealedFile: Self.sealedFile(bytes)
        case .redisReplies: Self.redisReplies(bytes)
        }
    }

    /// How the bytes are split must not change the replies.
    private static func redisReplies(_ bytes: [UInt8]) {
        func replies(inParts size: Int) -> [RedisValue] {
            let reader = RedisReader(replyBytesMax: 4096)
            var replies: [RedisValue] = []
            var rest = ByteBuffer(bytes: bytes)
            while let part = rest.readSlice(length: min(size, rest.readableBytes)), part.readableBytes > 0 {
                do throws(RedisReader.Malformed) {
                    try reader.read(part) { replies.append($0) }
                } catch {
                    break
                }
            }
            return replies
        }
        let one = replies(inParts: 1)
        // A chunk can exceed the limit before it is noticed, so its replies may be more.
        precondition(bytes.count > 4096 || replies(inParts: 4096) == one, "the replies depend on the parts")
    }

    /// Further bytes must not change a decision.
    private static func firstBytes(_ bytes: [UInt8]) {
        var decision = FirstBytes.needsMore
        for count in 0...min(bytes.count, 300) {
            let view = ByteBuffer(bytes: bytes.prefix(count)).readableBytesView
            let now = FirstBytes.decide(view, lineBytesMax: 200)
            precondition(decision == .needsMore || decision == now, "the decision changed after \(count) bytes")
            decision = now
        }
        precondition(decision != .needsMore || bytes.count <= 200, "never decides")
    }

    private static func proxyHeader(_ bytes: [UInt8]) {
        var found = ProxyHeader.Found.needsMore
        for count in 0...min(bytes.count, 600) {
            let now = ProxyHeader.find(in: ByteBuffer(bytes: bytes.prefix(count)).readableBytesView)
            precondition(found == .needsMore || found == now, "the decision changed after \(count) bytes")
            if case .header(_, let length) = now {
                precondition(length <= count, "the header is longer than the input")
            }
            found = now
        }
        precondition(found != .needsMore || bytes.count < 536, "never decides")
    }

    private static func forwarded(_ bytes: [UInt8]) {
        guard let peer = try? SocketAddress(ipAddress: "10.0.0.1", port: 1),
            let trusted = AddressRange.list("10.0.0.0/8")
        else { preconditionFailure("no addresses") }
        let text = String(decoding: bytes, as: UTF8.self)
        for (forwarded, xForwardedFor) in [(text, nil), (nil, text)] as [(String?, String?)] {
            _ = ForwardedField.client(
                forwarded: forwarded, xForwardedFor: xForwardedFor, from: peer, trusted: trusted)
            // The fields of an untrusted peer must be ignored.
            let stranger = ForwardedField.client(
                forwarded: forwarded, xForwardedFor: xForwardedFor, from: peer, trusted: [])
            precondition(stranger == peer, "an untrusted peer's field was used")
        }
    }

    private static let router: Router = {
        let source = FakeSource()
        let cache = BillingCache(source: source, time: TestClock(), rules: CacheRules(), codec: AnswerLines())
        let lists = AccountListCache(directory: source, time: TestClock())
        return Router(
            readAccount: ReadAccount(cache: cache),
            listAccounts: ListAccounts(lists: lists, directory: source, time: TestClock()),
            exportBilling: ExportBilling(lists: lists, cache: cache, source: source, time: TestClock()),
            openInvoiceFile: OpenInvoiceFile(source: FakeInvoiceFiles(), owners: InvoiceOwners()),
            writeAccount: WriteAccount(
                writer: FakeWriter(), source: source, cache: cache, keys: FakeIdempotencyStore(),
                rules: WriteAccount.Rules(), time: TestClock(), digest: { SHA256Digest(of: $0[...]).bytes }),
            callers: UnrestrictedCallers(), audit: AuditLog(logger: silent),
            accessLog: AccessLog(share: 1, logger: silent, metrics: .none),
            time: TestClock(), logger: silent)
    }()

    private static let silent = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }

    /// Gives every caller all permissions.
    private struct UnrestrictedCallers: CallerDirectory {
        func standing(of credential: CallerCredential) -> CallerStanding? { CallerStanding(.everything) }
        var version: Int { 0 }
        func endOfExport(for credential: CallerCredential, begunAs caller: Caller) async {}
    }

    /// The router with its invariants checked.
    private struct CheckedRouter: RequestHandler {
        func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
            router.refuse(refusal, requestID: requestID, peer: peer)
        }

        func reply(to request: HTTPRequest) -> Reply {
            switch router.reply(to: request) {
            case .now(let response):
                let status = response.fields.string(.status) ?? ""
                precondition(["400", "404", "406"].contains(status), "answered \(status)")
            case .eventually:
                // The segments after `/v2/accounts`; none for the list.
                if let id = request.path.split(separator: UInt8(ascii: "/")).dropFirst(2).first {
                    let account = PercentEncoding.decode(id).flatMap { AccountID($0) }
                    precondition(account != nil, "looks up an invalid account id")
                }
            case .stream, .eventuallyStreamed, .abandoned: break
            }
            // The response of the source is not tested here.
            return .now(HTTPResponse(status: 200))
        }
    }

    private static func target(_ bytes: [UInt8]) {
        FuzzConnection.request(target: bytes, to: CheckedRouter())
        _ = try? Query(bytes[...], allowed: ["after", "only"])
    }

    private static let now = Timestamp(secondsSinceEpoch: 1_769_860_800)

    /// The first byte determines the status.
    private static func answer(_ bytes: [UInt8]) -> ClientResponse {
        var fields = HeaderFields()
        fields.append(.retryAfter, bytes.suffix(8))
        let status = [200, 400, 401, 404, 429, 500][Int(bytes.first ?? 0) % 6]
        return ClientResponse(status: status, fields: fields, body: ByteBuffer(bytes: bytes.dropFirst()))
    }

    private static func zoomAnswer(_ bytes: [UInt8]) {
        let endpoint = Operation.getBillingInformation.endpoint
        guard let object = try? ZoomAnswer(answer(bytes), to: endpoint, now: now).object() else { return }
        _ = try? SubAccountPage(zoom: object)
        guard let contact = try? BillingContact(zoom: object) else { return }
        var buffer = ByteBuffer()
        buffer.writeContact(contact)
        let written = Array(buffer.readableBytesView)
        precondition(!written.contains(UInt8(ascii: "\n")), "a contact contains a line break")
        guard let again = (try? JSONValue(parsing: written))?.object else {
            preconditionFailure("the written contact is not JSON")
        }
        precondition((try? BillingContact(zoom: again)) != nil, "the written contact cannot be read")
    }

    private static func tokenAnswer(_ bytes: [UInt8]) {
        guard let grant = try? TokenGrant(answer(bytes), now: now) else { return }
        precondition(grant.lifetime > .zero && grant.lifetime <= .seconds(86_400), "lifetime \(grant.lifetime)")
    }

    private static func retryAfter(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let duration = RetryAfter.duration(text, now: now) else { return }
        precondition(duration >= .zero && duration <= .seconds(86_400), "delay \(duration)")
    }

    // MARK: Files of operators

    private static func credentialsFile(_ bytes: [UInt8]) {
        do throws(DocumentProblem) {
            let document = try CredentialsDocument(parsing: bytes)
            let again = try? CredentialsDocument(parsing: document.text)
            precondition(again == document, "the written file reads differently")
        } catch {
            checkDescription(error)
        }
    }

    private static func callersFile(_ bytes: [UInt8]) {
        do throws(DocumentProblem) {
            let document = try CallersDocument(parsing: bytes)
            let again = try? CallersDocument(parsing: document.text)
            precondition(again == document, "the written file reads differently")
            let registry = CallerRegistry(document)
            for entry in document.entries {
                let found =
                    switch entry.credential {
                    case .token(let digest, _): registry.entry(presenting: digest)
                    case .certificate(let san): registry.entry(certificateNames: [san])
                    }
                precondition(found == entry, "a caller in the file is not found")
            }
        } catch {
            checkDescription(error)
        }
    }

    /// Errors must be short and must not contain "hunter2", which the secrets of the seeds contain.
    private static func checkDescription(_ problem: DocumentProblem) {
        precondition(!problem.description.contains("hunter2"), "the error contains a secret")
        // At most 20 mistakes, and the number of further ones.
        let mistakes = problem.description.split(separator: "; ")
        precondition(mistakes.count <= 21 && mistakes.allSatisfy { $0.utf8.count < 400 }, "the error is too long")
    }

    private static let sealingKeys = [SealingKey.random(), SealingKey.random()]

    /// Fuzzed or changed bytes must not decrypt; encrypted bytes must decrypt to the input.
    private static func sealedFile(_ bytes: [UInt8]) {
        precondition((try? SealedFormat.open(bytes, with: sealingKeys)) == nil, "decrypted fuzzed bytes")
        let sealed = SealedFormat.seal(bytes, with: sealingKeys[1])
        precondition((try? SealedFormat.open(sealed, with: sealingKeys)) == bytes, "decrypted to other bytes")
        guard let place = bytes.first.map({ Int($0) % sealed.count }) else { return }
        var changed = sealed
        changed[place] ^= 1
        precondition((try? SealedFormat.open(changed, with: sealingKeys)) == nil, "decrypted changed bytes")
    }
}
