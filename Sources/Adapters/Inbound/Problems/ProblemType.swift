/// A kind of problem. Programs recognize it by its name, which is the last part of the member `type` of an error (RFC 9457).
/// Its `explanation` is in docs/errors.md, and in the page that `type` refers to.
package enum ProblemType: String, CaseIterable, Sendable {
    case invalidRequest = "invalid-request"
    case invalidJSON = "invalid-json"
    case malformedRequest = "malformed-request"
    case unknownPath = "unknown-path"
    case methodNotAllowed = "method-not-allowed"
    case unknownMethod = "unknown-method"
    case notAcceptable = "not-acceptable"
    case unsupportedMediaType = "unsupported-media-type"
    case encodedBody = "encoded-body"
    case bodyTooLarge = "body-too-large"
    case targetTooLong = "target-too-long"
    case fieldsTooLarge = "fields-too-large"
    case unknownExpectation = "unknown-expectation"
    case upgradeRequired = "upgrade-required"
    case requestTimedOut = "request-timed-out"
    case notCached = "not-cached"
    case changesUnknown = "changes-unknown"
    case unauthenticated
    case damagedToken = "damaged-token"
    case scopeMissing = "scope-missing"
    case callerRate = "caller-rate"
    case tooManyWrongTokens = "too-many-wrong-tokens"
    case operatorToken = "operator-token"
    case accountNotFound = "account-not-found"
    case selfPay = "self-pay"
    case freeAccount = "free-account"
    case invoiceNotFound = "invoice-not-found"
    case idempotencyKeyMissing = "idempotency-key-missing"
    case idempotencyKeyReused = "idempotency-key-reused"
    case idempotencyKeyInUse = "idempotency-key-in-use"
    case idempotencyKeyNotFound = "idempotency-key-not-found"
    case accountBusy = "account-busy"
    case preconditionFailed = "precondition-failed"
    case preconditionRequired = "precondition-required"
    case planRules = "plan-rules"
    case zoomRefused = "zoom-refused"
    case zoomNotFound = "zoom-not-found"
    case outcomeUnknown = "outcome-unknown"
    case stateUnavailable = "state-unavailable"
    case stateNotDurable = "state-not-durable"
    case rateLimit = "rate-limit"
    case dailyRateLimit = "daily-rate-limit"
    case accountRateLimit = "account-rate-limit"
    case zoomCredentials = "zoom-credentials"
    case zoomPermission = "zoom-permission"
    case zoomFailed = "zoom-failed"
    case zoomUnavailable = "zoom-unavailable"
    case zoomTimedOut = "zoom-timed-out"
    case zoomAnswerTooLarge = "zoom-answer-too-large"
    case zoomAccountList = "zoom-account-list"
    case zoomInvoiceFile = "zoom-invoice-file"
    case zoomInvoiceRedirect = "zoom-invoice-redirect"
    case overloaded
    case shuttingDown = "shutting-down"
    case timedOut = "timed-out"

    /// The path of the page with the explanations.
    package static let page: StaticString = "/v2/errors"

    private static let referencePrefix = "\(page)#"

    /// The member `type`: a reference that is relative to the address of the request (RFC 9457, 3.1.1).
    package var reference: String { Self.referencePrefix + rawValue }

    /// - Parameter reference: The member `type` of an answer. A client that has resolved it has an absolute address.
    package init?(reference: String) {
        guard let start = reference.firstRange(of: Self.referencePrefix) else { return nil }
        self.init(rawValue: String(reference[start.upperBound...]))
    }

    /// A part of the page with the explanations.
    package enum Group: String, CaseIterable, Sendable {
        case request = "The request"
        case caller = "The caller"
        case account = "The account"
        case changes = "Changes of accounts"
        case limits = "Zoom's rate limits"
        case zoom = "Zoom"
        case service = "The service"
    }

    package var group: Group {
        switch self {
        case .invalidRequest, .invalidJSON, .malformedRequest, .unknownPath, .methodNotAllowed, .unknownMethod,
            .notAcceptable, .unsupportedMediaType, .encodedBody, .bodyTooLarge, .targetTooLong, .fieldsTooLarge,
            .unknownExpectation, .upgradeRequired, .requestTimedOut, .notCached, .changesUnknown:
            .request
        case .unauthenticated, .damagedToken, .scopeMissing, .callerRate, .tooManyWrongTokens, .operatorToken: .caller
        case .accountNotFound, .selfPay, .freeAccount, .invoiceNotFound: .account
        case .idempotencyKeyMissing, .idempotencyKeyReused, .idempotencyKeyInUse, .idempotencyKeyNotFound,
            .accountBusy, .preconditionFailed, .preconditionRequired, .planRules, .zoomRefused, .zoomNotFound,
            .outcomeUnknown, .stateUnavailable, .stateNotDurable:
            .changes
        case .rateLimit, .dailyRateLimit, .accountRateLimit: .limits
        case .zoomCredentials, .zoomPermission, .zoomFailed, .zoomUnavailable, .zoomTimedOut, .zoomAnswerTooLarge,
            .zoomAccountList, .zoomInvoiceFile, .zoomInvoiceRedirect:
            .zoom
        case .overloaded, .shuttingDown, .timedOut: .service
        }
    }
}
