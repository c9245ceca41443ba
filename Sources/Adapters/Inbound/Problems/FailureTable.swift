import Domain

/// Translates failures to HTTP statuses, codes and messages, for responses and for the lines of a stream.
enum FailureTable {
    // MARK: Failures of a use case

    static func problem(for failure: BillingFailure) -> ProblemDetails {
        switch failure {
        case .invalid(let violations): invalid(violations)
        case .selfPay: selfPay
        case .accountNotFound(let account):
            ProblemDetails(.accountNotFound, message: "Account does not exist: \(account).")
        case .accountIsFree: accountIsFree
        case .invoiceNotFound(let invoice):
            ProblemDetails(.invoiceNotFound, message: "Invoice does not exist: \(invoice).")
        case .answerTooLarge(let limit):
            ProblemDetails(
                .zoomAnswerTooLarge, message: "Zoom's answer is larger than \(limit) bytes, the limit of the service.")
        case .scopeMissing(let scope):
            ProblemDetails(
                .scopeMissing, message: "The caller does not have the scope \(scope.rawValue).",
                extraFields: [
                    (.wwwAuthenticate, "Bearer error=\"insufficient_scope\", scope=\"\(scope.rawValue)\"")
                ])
        case .rateLimited(let retryAfter):
            ProblemDetails(
                .rateLimit, message: "Zoom's rate limit leaves no room for this request now. Try again later.",
                extraFields: [(.retryAfter, seconds(retryAfter))])
        case .dailyQuotaSpent(let retryAfter):
            ProblemDetails(
                .dailyRateLimit,
                message: "Zoom's daily rate limit leaves no room for this request today. Try again later.",
                extraFields: [(.retryAfter, seconds(retryAfter))])
        case .accountQuotaSpent(let operation, let retryAfter):
            ProblemDetails(
                .accountRateLimit, message: message(for: operation.rules.quota),
                extraFields: [(.retryAfter, seconds(retryAfter))])
        case .credentialsRefused: credentialsRefused
        case .permissionMissing(let scopes):
            ProblemDetails(
                .zoomPermission,
                message: "The service's Zoom app lacks a scope for this operation. Any one of these is enough: "
                    + "\(scopes.joined(separator: ", ")).")
        case .sourceFailed, .sourceRejected: sourceFailed
        case .sourceUnavailable(let retryAfter):
            ProblemDetails(
                .zoomUnavailable,
                message: "Zoom failed repeatedly, so no request is sent to it for a while. Try again later.",
                extraFields: [(.retryAfter, seconds(retryAfter))])
        case .timedOut: timedOut
        case .accountListUnusable(let problem):
            ProblemDetails(.zoomAccountList, message: message(for: problem))
        case .invoiceFileUnusable(let problem):
            ProblemDetails(problemType(of: problem), message: message(for: problem))
        case .notCached: notCached
        case .stateUnavailable: stateUnavailable
        case .write(let problem): self.problem(for: problem)
        case .changesUnknown(let moment):
            ProblemDetails(
                .changesUnknown,
                message: moment.map {
                    "Changes are recorded since \(MillisecondTime(milliseconds: $0).rfc3339) only. "
                        + "Request the whole stream."
                } ?? "Another replica of the service has issued this moment. Request the whole stream."
            )
        case .cancelled: shuttingDown
        }
    }

    private static func problem(for problem: WriteProblem) -> ProblemDetails {
        switch problem {
        case .notPossible(let violations):
            ProblemDetails(
                .planRules, message: "The account's present state does not permit this change.", violations: violations)
        case .refused(let refusal): Self.problem(for: refusal)
        case .outcomeUnknown(let operation, let account):
            ProblemDetails(
                .outcomeUnknown,
                message: "The change may have reached Zoom, but no answer says whether it took effect. It is not sent "
                    + "again with the same key. Read the account to find out, with Cache-Control: no-cache.",
                extraMembers: [("outcome", "unknown"), ("look_at", readPath(showing: operation, account))])
        case .keyMissing: keyMissing
        case .keyReused: keyReused
        case .keyInUse: keyInUse
        case .keyNotFound: keyNotFound
        case .accountBusy: accountBusy
        case .preconditionFailed: preconditionFailed
        case .preconditionMissing: preconditionMissing
        case .storeNotDurable: storeNotDurable
        }
    }

    private static func problem(for refusal: SourceRefusal) -> ProblemDetails {
        switch refusal.kind {
        case .selfPay: selfPay
        case .accountNotFound:
            ProblemDetails(.accountNotFound, code: refusal.code, message: refusal.message)
        case .notFound:
            ProblemDetails(.zoomNotFound, code: refusal.code, message: refusal.message)
        case .refused:
            ProblemDetails(.zoomRefused, code: refusal.code, message: refusal.message)
        }
    }

    /// The path of the read that shows whether a change took effect.
    static func readPath(showing operation: Operation, _ account: AccountID) -> String {
        guard case .write(let shownBy, _) = operation.rules.effect else { return "" }
        return "/v2/accounts/\(account)/" + (shownBy == .getBillingInformation ? "billing" : "plans")
    }

    private static let keyMissing = ProblemDetails(
        .idempotencyKeyMissing,
        message: "A change needs the header field Idempotency-Key, so that it is made only once.",
        violations: [.init(field: "idempotency-key", message: "Required.")])
    private static let storeNotDurable = ProblemDetails(
        .stateNotDurable,
        message:
            "The service requires a store that keeps the Idempotency-Key through a failure, and the store does not. "
            + "Nothing was sent.",
        extraFields: [(.retryAfter, "10")])
    private static let keyReused = ProblemDetails(
        .idempotencyKeyReused,
        message: "This Idempotency-Key belongs to another request. Use a new key for each change.")
    private static let keyInUse = ProblemDetails(
        .idempotencyKeyInUse, message: "The request with this Idempotency-Key is running. Try again later.",
        extraFields: [(.retryAfter, "1")])
    private static let keyNotFound = ProblemDetails(
        .idempotencyKeyNotFound, message: "There is no request with this Idempotency-Key.")
    private static let accountBusy = ProblemDetails(
        .accountBusy, message: "Another change of this account is running. This one was not sent. Try again later.",
        extraFields: [(.retryAfter, "1")])
    private static let preconditionFailed = ProblemDetails(
        .preconditionFailed, message: "The account has changed since it was read. Nothing was sent.")
    private static let preconditionMissing = ProblemDetails(
        .preconditionRequired,
        message: "This change needs the header field If-Match with the ETag of the state that it changes.")

    private static func message(for quota: AccountQuota?) -> String {
        guard let quota else { return "Zoom's limit of this operation for the account is reached. Try again later." }
        let minutes = quota.interval.components.seconds / 60
        return switch quota.intervalIsPer {
        case .account:
            "Zoom permits one such request in \(minutes) minutes and \(quota.perDay) a day for an account. "
                + "Try again later."
        case .invoice:
            "Zoom permits one such request in \(minutes) minutes for an invoice and \(quota.perDay) a day for its account. "
                + "Try again later."
        }
    }

    private static func message(for problem: BillingFailure.AccountListProblem) -> String {
        switch problem {
        case .repeatedPage:
            "Zoom's list of accounts does not end: the token of the next page repeats."
        case .nothingNew(let pages):
            "Zoom's list of accounts does not end: \(pages) pages in a row had no new account."
        case .tooManyPages(let pages, let accounts):
            "Zoom's list of accounts does not end: there are more than \(pages) pages"
                + (accounts.map { " for \($0) accounts." } ?? ".")
        case .changing(let attempts):
            "Zoom's list of accounts changed while it was read, \(attempts) times."
        case .expiringTokens(let attempts):
            "Zoom refused the token of the next page of the list of accounts as too old, \(attempts) times."
        }
    }

    private static func problemType(of problem: BillingFailure.InvoiceFileProblem) -> ProblemType {
        switch problem {
        case .notPDF, .compressed: .zoomInvoiceFile
        case .redirectRefused, .redirectFailed: .zoomInvoiceRedirect
        }
    }

    private static func message(for problem: BillingFailure.InvoiceFileProblem) -> String {
        switch problem {
        case .notPDF: "Zoom answered with a file that is not a PDF."
        case .compressed: "Zoom answered with a compressed file, which was not accepted."
        case .redirectFailed: "Zoom redirects to an address that does not answer with the file."
        case .redirectRefused(.malformed): "Zoom redirects to an address that cannot be read."
        case .redirectRefused(.notEncrypted): "Zoom redirects to an address that is not encrypted."
        case .redirectRefused(.forbiddenHost): "Zoom redirects to a host that the configuration does not allow."
        case .redirectRefused(.repeated): "Zoom redirects more than once."
        }
    }

    static func invalid(
        _ violations: [BillingFailure.Violation], extraFields: [(FieldName, String)] = []
    ) -> ProblemDetails {
        ProblemDetails(
            .invalidRequest, message: "Validation Failed.",
            violations: violations, extraFields: extraFields)
    }

    static let invalidInvoiceID = invalid([.init(field: "invoiceId", message: "Invalid field.")])
    static let invalidAccountID = invalid([.init(field: "accountId", message: "Invalid field.")])

    private static let selfPay = ProblemDetails(.selfPay, message: "This sub account is on self pay mode.")
    private static let accountIsFree = ProblemDetails(.freeAccount, message: "Only available for paid account.")
    private static let credentialsRefused = ProblemDetails(
        .zoomCredentials, message: "Zoom refused the credentials of this service.")
    private static let sourceFailed = ProblemDetails(.zoomFailed, message: "Zoom failed to answer this request.")
    private static let timedOut = ProblemDetails(.zoomTimedOut, message: "Zoom did not answer in time.")
    private static let notCached = ProblemDetails(
        .notCached, message: "No cached answer is fresh enough, and the request forbids asking Zoom.")
    private static let stateUnavailable = ProblemDetails(
        .stateUnavailable, message: "The service cannot record the change, so it was not sent. Try again later.",
        extraFields: [(.retryAfter, "1")])
    private static let shuttingDown = ProblemDetails(
        .shuttingDown, message: "The service is shutting down. Try again.", extraFields: [(.retryAfter, "1")])

    // MARK: Refusals by the router

    /// RFC 6750, 3.1, `invalid_request`.
    static let malformedAuthorization = invalid(
        [.init(field: "authorization", message: "Must be \"Bearer\", a blank and a token.")],
        extraFields: [(.wwwAuthenticate, "Bearer error=\"invalid_request\"")])

    /// A field that may occur once occurred several times.
    private static func repeated(_ name: FieldName) -> ProblemDetails {
        invalid(
            [.init(field: String(decoding: name.bytes, as: UTF8.self), message: "Given twice.")],
            extraFields: name == .authorization ? [(.wwwAuthenticate, "Bearer error=\"invalid_request\"")] : [])
    }

    /// Without a token the challenge names no error (RFC 6750, 3.1).
    static let unauthenticated = ProblemDetails(
        .unauthenticated, message: "Invalid access token.", extraFields: [(.wwwAuthenticate, "Bearer")])

    /// The answer does not tell an unknown token from an expired or revoked one.
    static let unknownToken = ProblemDetails(
        .unauthenticated, message: "Invalid access token.",
        extraFields: [
            (
                .wwwAuthenticate,
                #"Bearer error="invalid_token", error_description="The token is not known, has expired or was revoked""#
            )
        ])
    static let damagedToken = ProblemDetails(
        .damagedToken, message: "Invalid access token: it is mistyped or truncated.",
        extraFields: [
            (
                .wwwAuthenticate,
                #"Bearer error="invalid_token", error_description="The token is mistyped or truncated""#
            )
        ])
    static let callerRate = ProblemDetails(
        .callerRate, message: "The caller exceeded its request rate.", extraFields: [(.retryAfter, "1")])
    static let tooManyGuesses = ProblemDetails(
        .tooManyWrongTokens,
        message: "Too many wrong tokens came from this address.", extraFields: [(.retryAfter, "1")])
    static let unknownPath = ProblemDetails(.unknownPath, message: "There is nothing at this path.")
    static let notInThisBuild = ProblemDetails(
        .unknownPath,
        message: "This program was built without this file: make assets makes it. openapi.yaml has the contract.")
    static let unknownMethod = ProblemDetails(.unknownMethod, message: "This method is not known.")

    /// - Parameters:
    ///   - allow: The methods of the path, as the field `Allow` lists them.
    ///   - names: The same for a sentence.
    static func methodNotAllowed(allow: String, names: String) -> ProblemDetails {
        ProblemDetails(.methodNotAllowed, message: "This path answers \(names).", extraFields: [(.allow, allow)])
    }

    /// CONNECT, for which there is no path.
    private static let connectMethod = methodNotAllowed(allow: "GET, HEAD", names: "GET and HEAD")
    static let unsupportedMediaType = ProblemDetails(
        .unsupportedMediaType, message: "This path takes a body of application/x-ndjson.",
        extraFields: [(.accept, "application/x-ndjson, application/jsonl, application/json")])
    static let bodyIsNotJSON = ProblemDetails(
        .unsupportedMediaType,
        message: "This path takes a body of application/json.", extraFields: [(.accept, "application/json")])
    static let invalidJSON = ProblemDetails(.invalidJSON, message: "Request Body should be a valid JSON object.")
    static let notAcceptable = ProblemDetails(
        .notAcceptable, message: "This path has none of the media types that the request accepts.")

    // MARK: Refusals by the connection

    static func problem(for refusal: Refusal) -> ProblemDetails {
        switch refusal {
        case .excessiveHead: excessiveHead
        case .malformed: malformed
        case .repeatedField(let name): repeated(name)
        case .excessiveTarget: excessiveTarget
        case .excessiveBody: excessiveBody
        case .encodedBody: encodedBody
        case .connectMethod: connectMethod
        case .overloaded: overloaded
        case .unknownMethod: unknownMethod
        case .unknownExpectation: unknownExpectation
        case .timedOut: requestTimedOut
        case .answerTimedOut: answerTimedOut
        case .upgradeRequired: upgradeRequired
        }
    }

    private static let malformed = ProblemDetails(.malformedRequest, message: "The request breaks the rules of HTTP.")
    private static let excessiveTarget = ProblemDetails(.targetTooLong, message: "The path and query are too long.")
    private static let excessiveBody = ProblemDetails(.bodyTooLarge, message: "The body of the request is too large.")
    private static let encodedBody = ProblemDetails(
        .encodedBody, message: "The body of a request must not have a content coding.",
        extraFields: [(.acceptEncoding, "identity")])
    private static let overloaded = ProblemDetails(
        .overloaded, message: "The service is overloaded. Try again.", extraFields: [(.retryAfter, "1")])
    private static let unknownExpectation = ProblemDetails(
        .unknownExpectation, message: "The only expectation that can be met is 100-continue.")
    private static let requestTimedOut = ProblemDetails(
        .requestTimedOut, message: "The request did not arrive in time.")
    private static let answerTimedOut = ProblemDetails(.timedOut, message: "The answer could not be made in time.")
    private static let upgradeRequired = ProblemDetails(
        .upgradeRequired,
        message: "A stream needs HTTP/1.1 or HTTP/2. This request came in HTTP/1.0, perhaps from a proxy.")
    private static let excessiveHead = ProblemDetails(.fieldsTooLarge, message: "The header fields are too large.")

    private static func seconds(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        return String(max(1, attoseconds > 0 ? seconds + 1 : seconds))
    }
}
