import Domain
import NIOCore

/// The rate limit fields of an answer (Zoom: rate limits). Zoom leaves out fields at times.
struct ZoomRateFields: Sendable, Equatable {
    enum Refusal: Sendable, Equatable {
        /// The per-second limit of the label is reached.
        case perSecond(retryAfter: Duration?)
        /// The daily limit of the label is reached.
        case perDay(retryAfter: Duration?)
        /// A limit of this operation is reached, for its account or for its invoice only. Other requests of the label are not
        /// affected.
        case single(AccountQuota.Subject, retryAfter: Duration)
    }

    /// Why the request was refused; `nil` if no rate limit was reached.
    let refusal: Refusal?

    /// The remaining requests of the same second; `nil` if unknown.
    let remainingInSecond: Int?

    private static let type = FieldName("x-ratelimit-type")
    private static let category = FieldName("x-ratelimit-category")
    private static let remaining = FieldName("x-ratelimit-remaining")

    /// The pause of an account or operation without a documented quota, if Zoom states none. Such limits last for minutes,
    /// and a request that comes too early costs only itself.
    private static let singleWait = Duration.seconds(10)

    init(_ response: ClientResponse, to endpoint: ZoomEndpoint, now: Timestamp) {
        let (label, quota) = (endpoint.rateLabel, endpoint.operation.rules.quota)
        let type = response.fields.string(Self.type)?.lowercased()
        let remaining = response.fields.string(Self.remaining).flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
        let category = response.fields.string(Self.category)?.lowercased()
        let isOfLabel = category.map { $0 == label.rawValue.lowercased() } ?? true
        // Without a type the number may be that of the day.
        remainingInSecond = type == "qps" && isOfLabel ? remaining : nil
        guard response.status == 429 else {
            refusal = nil
            return
        }
        let retryAfter = RetryAfter.duration(of: response, now: now)
        let text = Text(response)
        func single() -> Refusal {
            let wait = retryAfter ?? text.wait(from: now) ?? quota?.interval ?? Self.singleWait
            let isOfInvoice = quota?.intervalIsPer == .invoice && !text.namesAccount && !text.isDaily
            return .single(isOfInvoice ? .invoice : .account, retryAfter: wait)
        }
        switch text.limit {
        case .labelSecond: refusal = .perSecond(retryAfter: retryAfter)
        case .labelDay: refusal = .perDay(retryAfter: retryAfter)
        case .single: refusal = single()
        case nil:
            // Zoom has been seen to refuse one account with the fields of another label, or with requests remaining.
            let isDaily = type?.hasPrefix("daily") ?? text.isDaily
            // For an operation with a quota, only a bare refusal is that of the label: a refusal per second has no
            // Retry-After, and the daily one has its own text.
            let isOfQuota =
                quota != nil && (retryAfter != nil || isDaily || remaining ?? 0 > 0 || text.isTooManyRequests)
            if isOfQuota || !isOfLabel || (type == nil && remaining ?? 0 > 0) {
                refusal = single()
            } else {
                refusal = isDaily ? .perDay(retryAfter: retryAfter) : .perSecond(retryAfter: retryAfter)
            }
        }
    }

    /// The message of a 429 (Zoom: rate limits).
    private struct Text {
        enum Limit {
            case labelSecond
            case labelDay
            case single
        }

        private let message: String

        init(_ response: ClientResponse) {
            let object = (try? JSONValue(readingLeniently: Array(response.body.readableBytesView)))?.object
            message = (object?["message"] ?? object?["error_message"])?.string?.lowercased() ?? ""
        }

        /// The limit that the message names; `nil` for a message that fits any.
        var limit: Limit? {
            if message.contains("maximum per-second rate limit") { return .labelSecond }
            if message.contains("maximum daily rate limit") { return .labelDay }
            // "… of {API name} API requests permitted for this particular user", "… API request for this account", "A request
            // to disassociate this user has already been made."
            let isSingle = ["particular user", "this user", "this account", "api request"].contains {
                message.contains($0)
            }
            return isSingle ? .single : nil
        }

        var isDaily: Bool { message.contains("daily") }

        var namesAccount: Bool { message.contains("this account") }

        var isTooManyRequests: Bool { message.contains("too many requests") }

        /// Daily limits end at 00:00 UTC.
        func wait(from now: Timestamp) -> Duration? {
            guard isDaily else { return nil }
            return .seconds(DailyQuota.end(of: now).secondsSinceEpoch - now.secondsSinceEpoch)
        }
    }
}
