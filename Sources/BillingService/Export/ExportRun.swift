import Adapters
import Domain
import FoundationEssentials
import NIOCore

/// Takes a stream page by page, each of which is whole or not there, and writes it down.
struct ExportRun {
    struct Request: Sendable {
        var fields: String?
        var maxAge: Int?

        /// Those that are wanted; all of them if it is `nil`.
        var accounts: [AccountID]?

        var description: String {
            var parts = [
                accounts.map { "\($0.count) accounts, the first \($0.first?.rawValue ?? "none")" } ?? "all accounts"
            ]
            if let fields { parts.append("fields \(fields)") }
            return parts.joined(separator: ", ")
        }
    }

    enum Problem: Error, CustomStringConvertible {
        /// The service refuses, and would again.
        case refused(status: Int, message: String)
        /// It was tried for as long as it may be.
        case gaveUp(String)

        var description: String {
            switch self {
            case .refused(let status, let message): "refused with status \(status): \(message)"
            case .gaveUp(let reason): "given up: \(reason)"
            }
        }
    }

    let http: HTTPClient
    let token: String
    let request: Request
    let time: any TimeSource

    /// How long it is tried without anything coming.
    let retryTime: Duration

    /// How many accounts a page has: as many as come in a few seconds, whatever Zoom's rate is.
    private var size = 100

    private static let sizes = 20...5000
    private static let bytesMax = 64 << 20

    init(http: HTTPClient, token: String, request: Request, time: any TimeSource, retryTime: Duration) {
        self.http = http
        self.token = token
        self.request = request
        self.time = time
        self.retryTime = retryTime
    }

    /// The page after an account, or after so many of the chosen ones, tried again and again; `nil` when there is none.
    ///
    /// - Parameter waiting: Hears why it is not there yet.
    mutating func page(
        after: String?, taken: Int, waiting: (String) -> Void
    ) async throws -> ExportPage? {
        if let accounts = request.accounts, taken >= accounts.count { return nil }
        let start = time.now
        var pause = Duration.milliseconds(500)
        while true {
            let reason: String
            do {
                let began = time.now
                let page = try await once(after: after, taken: taken)
                let took = time.now - began
                if took < .seconds(2) { size = min(size * 2, Self.sizes.upperBound) }
                if took > .seconds(15) { size = max(size / 2, Self.sizes.lowerBound) }
                return page
            } catch let failure as HTTPFailure {
                if failure == .cancelled { throw failure }
                reason = "the connection failed (\(failure))"
            } catch ExportPage.Problem.incomplete {
                reason = "the stream broke off"
            } catch ExportPage.Problem.broken(let code, let message) {
                reason = "\(message) (code \(code))"
            }
            size = max(size / 2, Self.sizes.lowerBound)
            guard time.now + pause - start < retryTime else { throw Problem.gaveUp(reason) }
            waiting(reason)
            try await time.sleep(until: time.now + pause)
            pause = min(pause * 2, .seconds(30))
        }
    }

    private func once(after: String?, taken: Int) async throws -> ExportPage {
        var query: [String] = []
        if let fields = request.fields { query.append("fields=\(fields)") }
        if let maxAge = request.maxAge { query.append("max_age=\(maxAge)") }
        var body = ByteBuffer()
        if let accounts = request.accounts {
            for account in accounts[taken..<min(taken + size, accounts.count)] {
                body.writeString("{\"account_id\":\"\(account)\"}\n")
            }
        } else {
            query.append("limit=\(size)")
            if let after { query.append("after=\(PercentEncoding.encode(after))") }
        }
        var call = ClientRequest(
            method: request.accounts == nil ? "GET" : "POST", scheme: http.origin.scheme.rawValue,
            authority: http.origin.authority,
            target: "/v2/billing/stream" + (query.isEmpty ? "" : "?" + query.joined(separator: "&")), body: body)
        call.fields.append(.authorization, "Bearer \(token)")
        if request.accounts != nil {
            call.fields.append(.contentType, "application/x-ndjson")
            call.fields.append(.contentLength, body.readableBytes)
        }
        // Ten minutes are enough for the smallest page at the lowest rate.
        let response = try await http.exchange(call, bodyBytesMax: Self.bytesMax, timeout: .minutes(10))
        guard response.status == 200 else {
            let object = (try? JSONValue(parsing: Array(response.body.readableBytesView)))?.object
            let message = object?["message"]?.string ?? "no reason was given"
            if [429, 502, 503, 504].contains(response.status) {
                throw ExportPage.Problem.broken(code: response.status, message: message)
            }
            throw Problem.refused(status: response.status, message: message)
        }
        return try ExportPage(parsing: response.body)
    }
}
