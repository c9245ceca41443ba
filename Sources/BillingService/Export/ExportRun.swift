import Adapters
import Domain
import FoundationEssentials
import NIOCore

/// Fetches a stream in pages. A page counts only if it is complete.
struct ExportRun {
    struct Request: Sendable {
        /// Names of billing fields, sorted; nil for all.
        var fields: [String]?

        /// The maximum age of the billing, in seconds.
        var maxAge: Int?

        /// The chosen accounts; nil for all.
        var accounts: [AccountID]?
    }

    enum Problem: Error, CustomStringConvertible {
        /// The service refuses the request, and a later attempt would fare no better.
        case refused(status: Int, message: String)
        /// The peer at the address is no such service.
        case notTheService(String)
        /// No connection can be made until somebody changes something.
        case unreachable(ConnectFailure)
        /// No page came for as long as attempts are made.
        case gaveUp(String)

        var description: String {
            switch self {
            case .refused(let status, let message): "refused with status \(status): \(message)"
            case .notTheService(let reason): "\(reason): check --url"
            case .unreachable(let failure): ExportRun.advice(on: failure)
            case .gaveUp(let reason): "given up: \(reason)"
            }
        }
    }

    let http: HTTPClient

    /// The path of the service's URL, without a slash at its end.
    let basePath: String
    let token: String
    let request: Request
    let time: any TimeSource

    /// How long a page is tried again without success.
    let retryTime: Duration

    /// Accounts in a page: as many as come in a few seconds, whatever Zoom's rate limit is.
    private var size = 100

    private static let sizes = 20...5000
    private static let bytesMax = 64 << 20

    /// How often in a row the peer may break HTTP: more is no accident on the way.
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

    /// Fetches the page after an account, or after so many of the chosen ones. Failures that can pass are retried.
    ///
    /// - Parameter waiting: Is told why the page has not come yet.
    /// - Returns: nil when there is no further page.
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
                    reason = Self.advice(on: failure)
                case .connectionLost, .resetByPeer, .unprocessed, .timedOut, .tooLarge, .malformed:
                    reason = "\(http.origin.authority): \(failure)"
                }
                if failure.isProtocolError { protocolErrors += 1 } else { protocolErrors = 0 }
                guard protocolErrors < Self.protocolErrorsMax else {
                    throw Problem.notTheService(
                        "\(http.origin.authority) does not speak HTTP/2 as the service does (\(failure))")
                }
            } catch ExportPage.Problem.incomplete {
                reason = "the stream broke off"
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

    private static func advice(on failure: ConnectFailure) -> String {
        let names = ConnectFailure.SettingNames(address: "--url", caFile: "zoom.ca-file", proxy: "HTTPS_PROXY")
        return "\(failure): \(failure.remedy(names))"
    }

    private func fetch(after: String?, taken: Int) async throws -> ExportPage {
        let call = call(after: after, taken: taken)
        // Ten minutes suffice for the smallest page at the lowest rate limit.
        let response = try await http.exchange(call, bodyBytesMax: Self.bytesMax, timeout: .minutes(10))
        guard response.status == 200 else { throw Self.problem(of: response) }
        let type = response.fields.string(.contentType)?.prefix { $0 != ";" } ?? "no content type"
        guard type == "application/x-ndjson" else {
            throw Problem.notTheService(
                "\(http.origin.authority) answers with \(String(type).withoutControlCharacters), not with a stream")
        }
        return try ExportPage(parsing: response.body, scope: response.fields.string(.accountScope))
    }

    private func call(after: String?, taken: Int) -> ClientRequest {
        var query: [(name: String, value: String)] = []
        if let fields = request.fields { query.append(("fields", fields.joined(separator: ","))) }
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

    /// Statuses that a later attempt may not meet again: of the service, and of proxies before it.
    private static let passingStatuses = [408, 425, 429, 502, 503, 504]

    private static func problem(of response: ClientResponse) -> any Error {
        let object = (try? JSONValue(parsing: Array(response.body.readableBytesView)))?.object
        let message = object?["message"]?.string?.withoutControlCharacters
        if passingStatuses.contains(response.status) {
            return ExportPage.Problem.broken(code: response.status, message: message ?? "no reason was given")
        }
        let advice =
            switch response.status {
            case 300..<400: "the address redirects to another, which --url has to name"
            case 404: "there is no stream at this address, which --url names"
            case _: "no reason was given"
            }
        return Problem.refused(status: response.status, message: message ?? advice)
    }
}

extension HTTPFailure {
    /// Whether the peer, or the request as the peer sees it, breaks HTTP. Retrying changes nothing unless a proxy was at fault.
    fileprivate var isProtocolError: Bool {
        switch self {
        case .malformed: true
        case .resetByPeer(let code): code == .protocolError
        case .notConnected, .connectionLost, .unprocessed, .timedOut, .cancelled, .tooLarge: false
        }
    }
}

extension ConnectFailure {
    /// Whether a later attempt can succeed though nobody has changed a setting or a certificate.
    fileprivate var canPass: Bool {
        switch cause {
        case .proxyAuthentication, .forbiddenAddress: false
        case .proxyStatus(let status): status >= 500
        case .tls(let failure):
            switch failure {
            case .peerUntrusted, .peerExpired, .peerNameMismatch, .peerInvalid, .peerSpeaksNoTLS: false
            // The clock of a machine that has just started may be wrong for a moment.
            case .peerNotYetValid: true
            case .handshake, .broken, .file, .keyMismatch, .certificateExpired, .certificateNotYetValid: true
            }
        // A service may be starting, and its name may not be known yet.
        case .unknownHost, .resolverFailed, .resolverTimedOut, .refused, .unreachable, .connectTimedOut, .socket,
            .proxyTimedOut, .proxyClosed, .proxyMalformed, .tlsTimedOut, .tlsClosed, .closed, .tooManyWaiting,
            .shuttingDown:
            true
        }
    }
}

extension String {
    /// For a terminal, which control characters of a peer's text must not reach.
    var withoutControlCharacters: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }
}
