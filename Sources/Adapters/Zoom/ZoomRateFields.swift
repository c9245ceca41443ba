import Domain
import NIOCore

/// What an answer of Zoom's says of its rate limits (Zoom: rate limits). Its fields come and go: whatever is missing is not
/// known.
struct ZoomRateFields: Sendable, Equatable {
    enum Refusal: Sendable, Equatable {
        /// The label's requests of this second are used up.
        case perSecond(retryAfter: Duration?)
        /// The label's requests of this day are used up.
        case perDay(retryAfter: Duration?)
        /// A limit of this account or this operation; others of the label go through.
        case single(retryAfter: Duration)
    }

    /// Why the request was refused, if it was for its rate.
    let refusal: Refusal?

    /// How many more requests would go through in the same second.
    let leftOfSecond: Int?

    private static let type = FieldName("x-ratelimit-type")
    private static let category = FieldName("x-ratelimit-category")
    private static let remaining = FieldName("x-ratelimit-remaining")

    /// How long an account or operation is left alone when Zoom does not say it: its special limits are of minutes, and
    /// asking once more than it takes costs one request.
    private static let singleWait = Duration.seconds(10)

    /// - Parameter label: The label that the operation counts under.
    init(_ response: ClientResponse, label: ZoomRateLabel, now: Timestamp) {
        let type = response.fields.string(Self.type)?.lowercased()
        let remaining = response.fields.string(Self.remaining).flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
        let category = response.fields.string(Self.category)?.lowercased()
        let isOfLabel = category.map { $0 == label.rawValue.lowercased() } ?? true
        // Without a type it may be that of the day.
        leftOfSecond = type == "qps" && isOfLabel ? remaining : nil
        guard response.status == 429 else {
            refusal = nil
            return
        }
        let retryAfter = response.fields.string(.retryAfter).flatMap { RetryAfter.duration($0, now: now) }
        let text = Text(response)
        switch text.limit {
        case .labelSecond: refusal = .perSecond(retryAfter: retryAfter)
        case .labelDay: refusal = .perDay(retryAfter: retryAfter)
        case .single: refusal = .single(retryAfter: retryAfter ?? text.wait(from: now) ?? Self.singleWait)
        case nil:
            // Zoom has been seen to refuse one account with the fields of another label, or while there is room in its own.
            let isDaily = type?.hasPrefix("daily") ?? text.isDaily
            if !isOfLabel || (type == nil && remaining ?? 0 > 0) {
                refusal = .single(retryAfter: retryAfter ?? text.wait(from: now) ?? Self.singleWait)
            } else {
                refusal = isDaily ? .perDay(retryAfter: retryAfter) : .perSecond(retryAfter: retryAfter)
            }
        }
    }

    /// The message of a refusal (Zoom: rate limits).
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

        /// Which limit it speaks of; nil for a text that fits any.
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

        /// Limits of a day end at 00:00 UTC.
        func wait(from now: Timestamp) -> Duration? {
            guard isDaily else { return nil }
            return .seconds(DailyQuota.end(of: now).secondsSinceEpoch - now.secondsSinceEpoch)
        }
    }
}
