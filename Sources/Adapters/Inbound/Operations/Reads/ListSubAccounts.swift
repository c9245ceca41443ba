import Domain
import NIOCore

/// `GET /v2/accounts` (Zoom: List sub accounts): the sub accounts of the caller in pages, each account as Zoom describes it.
struct ListSubAccounts: RouteHandler {
    private let listAccounts: ListAccounts
    private let time: any TimeSource

    init(listAccounts: ListAccounts, time: any TimeSource) {
        self.listAccounts = listAccounts
        self.time = time
    }

    var route: RouteTable<any RouteHandler>.Route { .init("/v2/accounts", [(.get, self)]) }

    /// Zoom's default and maximum. Zoom does not document what it does above the maximum; this service uses the maximum.
    private static let sizeDefault = 30
    private static let sizeMax = 300

    /// Larger than the number of any page.
    private static let numberMax = 1_000_000_000

    func reply(to request: HTTPRequest, _ context: RouteContext, _ note: inout RequestNote) -> Reply {
        let (caller, requestID) = (context.caller, context.requestID)
        guard AcceptField(of: request).first(of: ["application/json"]) != nil else {
            return .now(FailureTable.notAcceptable.response(requestID))
        }
        let directives = CacheControlField.directives(of: request)
        let conditions = Conditions(of: request)
        let asked: ListAccounts.Request
        do throws(BillingFailure) {
            asked = try Self.request(request, for: caller)
            if let page = try listAccounts.cached(asked, for: caller, directives: directives, at: time.now) {
                note.cache = page.isFresh ? .fresh : .stale
                return .now(Self.response(page, to: asked, for: caller, conditions, requestID))
            }
        } catch {
            return .now(Self.problem(for: error).response(requestID))
        }
        note.cache = .missed
        let queueTimeout = PreferField.wait(of: request)
        return .eventually { [listAccounts] in
            do throws(BillingFailure) {
                let page = try await listAccounts(
                    asked, for: caller, queueTimeout: queueTimeout, directives: directives)
                return Self.response(page, to: asked, for: caller, conditions, requestID)
            } catch {
                return Self.problem(for: error).response(requestID)
            }
        }
    }

    private static func problem(for failure: BillingFailure) -> ProblemDetails {
        // The position of the page is the only parameter that can be wrong after the parameters were read.
        guard case .invalid(let violations) = failure, violations.isEmpty else {
            return FailureTable.problem(for: failure)
        }
        return FailureTable.invalid([invalidToken])
    }

    private static let invalidToken = BillingFailure.Violation(
        field: "next_page_token", message: "Invalid or expired.")

    // MARK: Parameters

    private static func request(
        _ request: HTTPRequest, for caller: Caller
    ) throws(BillingFailure) -> ListAccounts.Request {
        let query = try Query(
            request.query, allowed: ["page_size", "page_number", "next_page_token", "sub_reseller_id"])
        var violations: [BillingFailure.Violation] = []
        func number(_ name: String, upTo max: Int) -> Int? {
            guard let text = query[name] else { return nil }
            guard !text.isEmpty, text.utf8.allSatisfy(\.isASCIIDigit),
                !text.utf8.allSatisfy({ $0 == UInt8(ascii: "0") })
            else {
                violations.append(.init(field: name, message: "Must be a number from 1."))
                return nil
            }
            // A number that overflows is above the limit.
            return min(Int(text) ?? max, max)
        }
        let size = number("page_size", upTo: sizeMax)
        let pageNumber = number("page_number", upTo: numberMax)
        var filter: SubAccountFilter?
        if let text = query["sub_reseller_id"] {
            filter = SubAccountFilter(resellerID: text)
            if filter == nil {
                violations.append(.init(field: "sub_reseller_id", message: "Must be 1 to 64 visible characters."))
            }
        }
        // Clients send an empty token with the first request.
        if let text = query["next_page_token"], !text.isEmpty {
            if let token = AccountPageToken(text, for: caller) {
                guard violations.isEmpty else { throw .invalid(violations) }
                if let size, size != token.size {
                    violations.append(.init(field: "page_size", message: "Must be the same for all pages."))
                }
                if let filter, filter != token.filter {
                    violations.append(.init(field: "sub_reseller_id", message: "Must be the same for all pages."))
                }
                guard violations.isEmpty else { throw .invalid(violations) }
                // The token says which page it is, so `page_number` is ignored.
                return ListAccounts.Request(position: token.position, size: token.size, filter: token.filter)
            }
            violations.append(invalidToken)
        }
        guard violations.isEmpty else { throw .invalid(violations) }
        return ListAccounts.Request(
            position: .number(pageNumber ?? 1), size: size ?? sizeDefault, filter: filter ?? .all)
    }

    // MARK: Responses

    private static func response(
        _ page: ListAccounts.Page, to asked: ListAccounts.Request, for caller: Caller, _ conditions: Conditions,
        _ requestID: RequestID
    ) -> HTTPResponse {
        let next = page.next.flatMap {
            AccountPageToken(position: $0, size: asked.size, filter: asked.filter).text(for: caller)
        }
        var body = ByteBuffer()
        body.writeJSONObject { object in
            if let total = page.total {
                object.member("page_count", (total + asked.size - 1) / asked.size)
            }
            object.member("page_number", page.number)
            object.member("page_size", asked.size)
            if let total = page.total { object.member("total_records", total) }
            object.member("next_page_token", next ?? "")
            object.member("accounts") { buffer in
                buffer.writeJSONArray(page.records) { $0.writeBytes($1.text) }
            }
        }
        let etag = BillingAnswer.etag(of: body)
        let lastModified = page.asOf.secondsSinceEpoch
        let status: PreparedResponse.Status =
            !conditions.isEmpty && conditions.isMet(etag: etag, lastModified: lastModified) ? .notModified : .ok
        var fields = HeaderFields(
            status: status.code,
            BillingAnswer.fields(
                lifetime: page.lifetime, etag: etag, lastModified: lastModified, length: body.readableBytes),
            BillingAnswer.sentFields(status), reservingBytes: requestID.count + 96)
        fields.append(.age, Int(page.age.components.seconds))
        requestID.append(to: &fields)
        return HTTPResponse(fields: fields, body: status == .ok ? body : ByteBuffer())
    }
}
