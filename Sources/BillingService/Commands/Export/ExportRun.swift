import Adapters
import Domain
import NIOCore

/// Fetches a stream in pages, and appends their lines to a file as they arrive.
struct ExportRun {
    struct Request: Sendable {
        /// Names of billing fields, sorted; nil for all.
        var fields: [String]?

        /// The maximum age of the billing, in seconds.
        var maxAge: Int?

        /// The selected accounts; nil for all.
        var accounts: [AccountID]?

        /// The types of data of each account, in their order.
        var types = [RecordType.contact]

        /// The days whose invoices are exported.
        var period: InvoicePeriod?

        /// Only what has changed since this moment; nil for everything.
        var changedSince: String?
    }

    enum Problem: Error, CustomStringConvertible {
        /// The service rejects the request, and a retry would fail as well.
        case refused(status: Int, message: String)
        /// The service does not know all changes since the moment.
        case changesUnknown(String)
        /// The server at the address is not this service.
        case notTheService(String)
        /// No connection is possible until a setting or certificate is changed.
        case unreachable(ConnectFailure)
        /// The retry time ended without a page.
        case gaveUp(String)

        var description: String {
            switch self {
            case .refused(let status, let message): "refused with status \(status): \(message)"
            case .changesUnknown(let message): "\(message) Export without --changed-since"
            case .notTheService(let reason): "\(reason): check --url"
            case .unreachable(let failure): failure.withAdvice
            case .gaveUp(let reason): "gave up: \(reason)"
            }
        }
    }

    let http: HTTPClient

    /// The path of the service's URL without a trailing slash.
    let basePath: String
    let token: String
    let request: Request
    let time: any TimeSource

    /// How long a page is retried without success.
    let retryTime: Duration

    /// The number of accounts in a page. Adapted so that a page takes a few seconds at any rate limit.
    private var size = 100

    /// A page of the largest size takes about a second from a warm service.
    private static let sizes = 20...1_000_000

    /// The most selected accounts in a page: their ids are the body of a request.
    private static let chosenMax = 50_000

    /// The size of a batch that is written to the file. Large writes cost less for each byte.
    static let batchBytes = 512 << 10

    /// About the size of one read.
    static let readBytes = 128 << 10

    /// How long lines wait for others to be written together. Slow streams have a line every few milliseconds.
    private static let batchTime = Duration.milliseconds(100)

    /// How often an export is made durable. A killed process repeats the work since then.
    private static let checkpointInterval = Duration.seconds(2)

    /// The size of an error response.
    private static let errorBytesMax = 1 << 20

    /// How long the stream may be silent. The service sends a line at least every ten seconds.
    private static let silenceMax = TimeAmount.minutes(2)

    /// The number of consecutive protocol errors after which the server is not retried.
    private static let protocolErrorsMax = 3

    private let start: Moment

    /// When the last checkpoint was written; nil before the first page.
    private var checkpointTime: Moment?

    init(
        http: HTTPClient, basePath: String, token: String, request: Request, time: any TimeSource, retryTime: Duration
    ) {
        self.http = http
        self.basePath = basePath
        self.token = token
        self.request = request
        self.time = time
        start = time.now
        self.retryTime = retryTime
    }

    /// Fetches the next page and appends it to `target`. Retries temporary failures: an attempt continues after the last
    /// account that `target` has.
    ///
    /// - Returns: The number of accounts after the page.
    mutating func page(
        into target: inout ExportTarget, _ encoding: ExportEncoding, _ progress: ExportProgress
    ) async throws -> Int {
        if let accounts = request.accounts, target.position.taken >= accounts.count { return 0 }
        var start = time.now
        var pause = Duration.milliseconds(500)
        var protocolErrors = 0
        while true {
            let reason: String
            // When a retry may succeed, in seconds since 1970.
            var until: Int?
            let began = time.now
            let taken = target.position.taken
            do {
                let behind = try await read(into: &target, encoding, progress)
                let took = time.now - began
                if took < .seconds(2) { size = min(size * 4, Self.sizes.upperBound) }
                if took > .seconds(15) { size = max(size / 2, Self.sizes.lowerBound) }
                return behind
            } catch let failure as HTTPFailure {
                switch failure {
                case .cancelled: throw failure
                case .notConnected(let failure):
                    guard failure.canPass else { throw Problem.unreachable(failure) }
                    reason = failure.withAdvice
                case .connectionLost, .resetByPeer, .unprocessed, .timedOut, .tooLarge, .malformed:
                    reason = "\(http.origin.authority): \(failure)"
                }
                if failure.isProtocolError { protocolErrors += 1 } else { protocolErrors = 0 }
                guard protocolErrors < Self.protocolErrorsMax else {
                    throw Problem.notTheService(
                        "\(http.origin.authority) does not respond like the service over HTTP/2 (\(failure))")
                }
            } catch ExportLines.Problem.incomplete, ExportLines.Problem.inconsistent {
                reason = "the stream was aborted"
            } catch ExportLines.Problem.broken(let code, let message, let retryAfter) {
                reason = "\(message.withoutControlCharacters) (code \(code))"
                until = retryAfter.map { Int(time.timestamp.secondsSinceEpoch) + $0 }
            }
            size = max(size / 2, Self.sizes.lowerBound)
            if target.position.taken > taken {
                start = time.now
                pause = .milliseconds(500)
            }
            guard time.now + pause - start < retryTime else {
                throw Problem.gaveUp(reason + (until.map { ", possible again at \(LocalTime.text(of: $0))" } ?? ""))
            }
            progress.report(target.position, total: nil)
            progress.waits(for: .retry(reason: reason, until: until))
            try await time.sleep(until: time.now + pause)
            pause = min(pause * 2, .seconds(30))
        }
    }

    /// Makes one attempt.
    private mutating func read(
        into target: inout ExportTarget, _ encoding: ExportEncoding, _ progress: ExportProgress
    ) async throws -> Int {
        let begun = target.position
        // Ten minutes are enough for the list of accounts at the lowest rate limit.
        let response = try await http.stream(
            call(after: begun.after, taken: begun.taken), headTimeout: .minutes(10), silenceMax: Self.silenceMax)
        let scope = try await check(response, begun)
        // The accounts of a request need no list, and the list of the first page is cached.
        if request.accounts == nil, begun.taken == 0 { progress.waits(for: .accountList) }
        let order =
            request.accounts.map { ExportLines.Order.chosen($0[begun.taken...]) }
            ?? .ascending(after: Array((begun.after ?? "").utf8))
        var lines = ExportLines(types: request.types, order: order, isOfChanges: request.changedSince != nil)
        var written = time.now
        do {
            while lines.problem == nil, let bytes = try await response.body.next() {
                try lines.append(bytes)
                let isBatch = lines.unreadBytes >= Self.batchBytes || time.now - written >= Self.batchTime
                // The first line says what to wait for, and so do heartbeats.
                if isBatch || !lines.hasBegun || lines.endsWithHeartbeat {
                    try await append(lines.batch(), scope, to: &target, encoding, progress)
                    written = time.now
                }
                let total = request.accounts?.count ?? lines.announced.map { begun.taken + $0 }
                progress.report(target.position, received: lines.unreadAccounts, total: total)
                if lines.hasBegun { progress.waits(for: lines.waiting.map { .zoom($0) }) }
            }
        } catch let failure as HTTPFailure where failure != .cancelled {
            // The lines that arrived before the failure are valid, and an `error` line says more than the failure.
            try await append(lines.batch(), scope, to: &target, encoding, progress)
            if let problem = lines.problem, case .broken = problem { throw problem }
            throw failure
        }
        try await append(lines.batch(isLast: true), scope, to: &target, encoding, progress)
        let behind: Int
        do throws(ExportLines.Problem) {
            behind = try lines.finish()
        } catch {
            if error == .inconsistent { try await target.revert(to: begun) }
            throw error
        }
        let total = request.accounts?.count ?? target.position.taken + behind
        progress.report(target.position, total: total)
        if checkpointTime == nil { try await commit(&target) }
        return total - target.position.taken
    }

    /// - Returns: The scope of the stream, if the service sends it.
    private func check(_ response: StreamedResponse, _ begun: ExportCheckpoint) async throws -> String? {
        guard response.status == 200 else {
            throw Self.problem(of: try await response.collect(bytesMax: Self.errorBytesMax))
        }
        let type = response.fields.string(.contentType)?.prefix { $0 != ";" } ?? "no content type"
        guard type == "application/x-ndjson" else {
            throw Problem.notTheService(
                "\(http.origin.authority) responds with \(String(type).withoutControlCharacters), not with a stream")
        }
        // The request accepts no content coding.
        guard response.fields.string(.contentEncoding) ?? "identity" == "identity" else { throw HTTPFailure.malformed }
        let scope = response.fields.string(.accountScope)
        if let begun = begun.scope, let scope, begun != scope {
            throw CommandFailure("it was begun with the token of another caller, or for another master account")
        }
        return scope
    }

    private mutating func append(
        _ batch: ExportBatch, _ scope: String?, to target: inout ExportTarget, _ encoding: ExportEncoding,
        _ progress: ExportProgress
    ) async throws {
        let isMomentNew = batch.moment != nil && target.position.moment == nil
        guard batch.accounts > 0 || batch.isLast && isMomentNew else { return }
        progress.beginsWriting()
        defer { progress.endsWriting() }
        try await target.append(batch, scope: scope, encoding)
        if time.now - (checkpointTime ?? start) >= Self.checkpointInterval { try await commit(&target) }
    }

    private mutating func commit(_ target: inout ExportTarget) async throws {
        try await target.commit()
        checkpointTime = time.now
    }

    private func call(after: String?, taken: Int) -> ClientRequest {
        var query: [(name: String, value: String)] = []
        if let fields = request.fields { query.append(("fields", fields.joined(separator: ","))) }
        if request.types != [.contact] {
            query.append(("include", request.types.map(\.rawValue).joined(separator: ",")))
        }
        if let period = request.period { query += [("from", "\(period.from)"), ("to", "\(period.to)")] }
        if let maxAge = request.maxAge { query.append(("max_age", "\(maxAge)")) }
        var body = ByteBuffer()
        if let accounts = request.accounts {
            for account in accounts[taken..<min(taken + min(size, Self.chosenMax), accounts.count)] {
                body.writeString("{\"account_id\":\"\(account)\"}\n")
            }
        } else {
            if let changedSince = request.changedSince {
                // All in one stream: the last account of a part without changes would be unknown.
                query.append(("changed_since", changedSince))
            } else {
                query.append(("limit", "\(size)"))
            }
            if let after { query.append(("after", after)) }
        }
        let parameters = query.map { "\($0.name)=\(PercentEncoding.encode($0.value))" }
        var call = ClientRequest(
            method: request.accounts == nil ? "GET" : "POST", scheme: http.origin.scheme.rawValue,
            authority: http.origin.authority,
            target: "\(basePath)/v2/billing/stream" + (query.isEmpty ? "" : "?" + parameters.joined(separator: "&")),
            body: body)
        call.fields.append(.authorization, "Bearer \(token)")
        if request.accounts != nil {
            call.fields.append(.contentType, "application/x-ndjson")
            call.fields.append(.contentLength, body.readableBytes)
        }
        return call
    }

    /// Statuses of temporary failures, of the service or of a proxy in front of it.
    private static let passingStatuses = [408, 425, 429, 502, 503, 504]

    private static func problem(of response: ClientResponse) -> any Error {
        let object = (try? JSONValue(parsing: Array(response.body.readableBytesView)))?.object
        let message = object?["message"]?.string?.withoutControlCharacters
        if passingStatuses.contains(response.status) {
            return ExportLines.Problem.broken(
                code: response.status, message: message ?? "no reason given",
                retryAfter: response.fields.string(.retryAfter).flatMap { Int($0) })
        }
        let advice =
            switch response.status {
            case 300..<400: "the address redirects: pass the new address as --url"
            case 410: "The changes are not all known."
            case 404: "no stream at this address: check the path in --url"
            case _: "no reason given"
            }
        if response.status == 410 { return Problem.changesUnknown(message ?? advice) }
        return Problem.refused(status: response.status, message: message ?? advice)
    }
}

extension HTTPFailure {
    /// Whether the server violates HTTP, or reports that the client does. A retry helps only if a proxy caused it.
    fileprivate var isProtocolError: Bool {
        switch self {
        case .malformed: true
        case .resetByPeer(let code): code == .protocolError
        case .notConnected, .connectionLost, .unprocessed, .timedOut, .cancelled, .tooLarge: false
        }
    }
}

extension ConnectFailure {
    /// Whether a retry can succeed without a change of settings or certificates.
    fileprivate var canPass: Bool {
        switch cause {
        case .proxyAuthentication, .forbiddenAddress: false
        case .proxyStatus(let status): status >= 500
        case .tls(let failure):
            switch failure {
            case .peerUntrusted, .peerExpired, .peerNameMismatch, .peerInvalid, .peerSpeaksNoTLS: false
            // The clock of a machine may be wrong shortly after it has started.
            case .peerNotYetValid: true
            case .handshake, .broken, .file, .keyMismatch, .certificateExpired, .certificateNotYetValid: true
            }
        // A service may still be starting, and its host name may not be registered yet.
        case .unknownHost, .resolverFailed, .resolverTimedOut, .refused, .unreachable, .connectTimedOut, .socket,
            .proxyTimedOut, .proxyClosed, .proxyMalformed, .tlsTimedOut, .tlsClosed, .closed, .tooManyWaiting,
            .shuttingDown:
            true
        }
    }
}

extension String {
    /// Replaces control characters, which must not reach a terminal.
    var withoutControlCharacters: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }
}
