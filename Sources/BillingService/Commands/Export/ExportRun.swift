import Adapters
import Domain
import NIOCore

/// Fetches a stream in pages. An incomplete page is discarded.
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
    }

    enum Problem: Error, CustomStringConvertible {
        /// The service rejects the request, and a retry would fail as well.
        case refused(status: Int, message: String)
        /// The server at the address is not this service.
        case notTheService(String)
        /// No connection is possible until a setting or certificate is changed.
        case unreachable(ConnectFailure)
        /// The retry time ended without a page.
        case gaveUp(String)

        var description: String {
            switch self {
            case .refused(let status, let message): "refused with status \(status): \(message)"
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

    private static let sizes = 20...5000
    private static let bytesMax = 64 << 20

    /// The number of consecutive protocol errors after which the server is not retried.
    private static let protocolErrorsMax = 3

    init(
        http: HTTPClient, basePath: String, token: String, request: Request, time: any TimeSource, retryTime: Duration
    ) {
        self.http = http
        self.basePath = basePath
        self.token = token
        self.request = request
        self.time = time
        self.retryTime = retryTime
    }

    /// Fetches the next page. Retries temporary failures.
    ///
    /// - Parameters:
    ///   - after: The last account of the previous page.
    ///   - taken: The number of selected accounts that were already fetched.
    ///   - waiting: Called with the reason before each retry.
    /// - Returns: nil after the last page.
    /// - Throws: `Problem`; `HTTPFailure.cancelled`.
    mutating func page(
        after: String?, taken: Int, waiting: (String) -> Void
    ) async throws -> ExportPage? {
        if let accounts = request.accounts, taken >= accounts.count { return nil }
        let start = time.now
        var pause = Duration.milliseconds(500)
        var protocolErrors = 0
        while true {
            let reason: String
            do {
                let began = time.now
                let page = try await fetch(after: after, taken: taken)
                let took = time.now - began
                if took < .seconds(2) { size = min(size * 2, Self.sizes.upperBound) }
                if took > .seconds(15) { size = max(size / 2, Self.sizes.lowerBound) }
                return page
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
            } catch ExportPage.Problem.incomplete {
                reason = "the stream was aborted"
            } catch ExportPage.Problem.broken(let code, let message) {
                reason = "\(message.withoutControlCharacters) (code \(code))"
            }
            size = max(size / 2, Self.sizes.lowerBound)
            guard time.now + pause - start < retryTime else { throw Problem.gaveUp(reason) }
            waiting(reason)
            try await time.sleep(until: time.now + pause)
            pause = min(pause * 2, .seconds(30))
        }
    }

    private func fetch(after: String?, taken: Int) async throws -> ExportPage {
        let call = call(after: after, taken: taken)
        // Ten minutes are enough for the smallest page at the lowest rate limit.
        let response = try await http.exchange(call, bodyBytesMax: Self.bytesMax, timeout: .minutes(10))
        guard response.status == 200 else { throw Self.problem(of: response) }
        let type = response.fields.string(.contentType)?.prefix { $0 != ";" } ?? "no content type"
        guard type == "application/x-ndjson" else {
            throw Problem.notTheService(
                "\(http.origin.authority) responds with \(String(type).withoutControlCharacters), not with a stream")
        }
        return try ExportPage(
            parsing: response.body, types: request.types, scope: response.fields.string(.accountScope))
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
            for account in accounts[taken..<min(taken + size, accounts.count)] {
                body.writeString("{\"account_id\":\"\(account)\"}\n")
            }
        } else {
            query.append(("limit", "\(size)"))
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
            return ExportPage.Problem.broken(code: response.status, message: message ?? "no reason given")
        }
        let advice =
            switch response.status {
            case 300..<400: "the address redirects: pass the new address as --url"
            case 404: "no stream at this address: check the path in --url"
            case _: "no reason given"
            }
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
