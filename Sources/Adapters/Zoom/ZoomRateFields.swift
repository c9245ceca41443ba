import Domain
import NIOCore

/// What an answer of Zoom's says of its rate limits (Zoom: rate limits). Its fields come and go: whatever is missing is not
/// known.
struct ZoomRateFields: Sendable, Equatable {
    enum Refusal: Sendable, Equatable {
        case perSecond(retryAfter: Duration?)
        case perDay(retryAfter: Duration?)
    }

    /// Why the request was refused, if it was for its rate.
    let refusal: Refusal?

    /// How many more requests would go through in the same second.
    let leftOfSecond: Int?

    private static let type = FieldName("x-ratelimit-type")
    private static let remaining = FieldName("x-ratelimit-remaining")

    init(_ response: ClientResponse, now: Timestamp) {
        let type = response.fields.string(Self.type)?.lowercased()
        let remaining = response.fields.string(Self.remaining).flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
        // Without a type it may be that of the day.
        leftOfSecond = type == "qps" ? remaining : nil
        guard response.status == 429 else {
            refusal = nil
            return
        }
        let retryAfter = response.fields.string(.retryAfter).flatMap { RetryAfter.duration($0, now: now) }
        let isDaily = type.map { $0.hasPrefix("daily") } ?? Self.saysDaily(response)
        refusal = isDaily ? .perDay(retryAfter: retryAfter) : .perSecond(retryAfter: retryAfter)
    }

    /// The text, where there is no type: each of Zoom's about a day has this word in it.
    private static func saysDaily(_ response: ClientResponse) -> Bool {
        let object = (try? JSONValue(parsing: Array(response.body.readableBytesView)))?.object
        return object?["message"]?.string?.lowercased().contains("daily") ?? false
    }
}
