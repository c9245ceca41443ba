import Domain
import FoundationEssentials

/// How a call to Zoom can end badly, before it is said in the domain's words.
enum ZoomFailure: Error, Sendable, Equatable {
    /// Zoom answered with an error. Read from the body first, since the same codes come with different statuses.
    case api(status: Int, code: Int?, message: String, retryAfter: Duration?)
    /// No whole answer came.
    case transport(HTTP2Failure)
    /// The answer is not what its operation answers.
    case unreadable
    /// Our own pace leaves no room soon enough.
    case paced(wait: Duration)
    /// There are no credentials to be used, or Zoom's token endpoint refuses them.
    case credentials

    /// What the failure means for whoever asked about `account`.
    func billingFailure(account: AccountID?) -> BillingFailure {
        switch self {
        case .credentials: .credentialsRefused
        case .paced(let wait): .budgetSpent(retryAfter: wait)
        case .unreadable: .sourceFailed
        case .transport(.timedOut): .timedOut
        case .transport(.cancelled): .cancelled
        case .transport: .sourceFailed
        case .api(_, let code, let message, _) where Self.deniesAccount(code: code, message: message):
            account.map { .accountNotFound($0) } ?? .sourceFailed
        case .api(429, _, _, let retryAfter): .budgetSpent(retryAfter: retryAfter ?? .seconds(1))
        case .api(401, _, _, _), .api(403, _, _, _): .credentialsRefused
        // The token lacks a scope, or the master account may not use the Billing API (Zoom: general error codes).
        case .api(_, 4700, _, _), .api(_, 4711, _, _), .api(_, 200, _, _): .credentialsRefused
        case .api: .sourceFailed
        }
    }

    /// 2001 and 1001, and 124 where it is no matter of the token (Zoom: general error codes).
    static func deniesAccount(code: Int?, message: String) -> Bool {
        switch code {
        case 2001, 1001: true
        case 124: message.hasPrefix("Account does not exist")
        default: false
        }
    }

    /// The code 2100 means many things; these texts mean that the sub account pays for itself. Apostrophes and case
    /// have been seen to differ from page to page, so neither counts.
    var isSelfPay: Bool {
        guard case .api(_, 2100, let message, _) = self else { return false }
        let folded = message.lowercased()
        return folded.contains("self pay") || folded.contains("paid by self")
    }

    /// Zoom does not know the token (any more): a new one may help.
    var isTokenRefused: Bool {
        guard case .api(401, let code, let message, _) = self else { return false }
        return !Self.deniesAccount(code: code, message: message)
    }
}

/// `Retry-After` as Zoom writes it: seconds, a date of HTTP (RFC 9110, 10.2.3), or ISO 8601 in UTC.
enum RetryAfter {
    /// A day is the longest limit Zoom has.
    private static let longest = Duration.seconds(86_400)

    static func duration(_ text: String, now: Timestamp) -> Duration? {
        if let seconds = Int64(text) {
            return seconds >= 0 ? min(.seconds(seconds), longest) : nil
        }
        guard let date = (try? Date(text, strategy: .iso8601)) ?? httpDate(text) else { return nil }
        let seconds = date.timeIntervalSince1970.rounded(.up) - Double(now.secondsSinceEpoch)
        return min(max(.zero, .seconds(seconds)), longest)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of a date that is still sent (RFC 9110, 5.6.7).
    private static func httpDate(_ text: String) -> Date? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", parts[1].utf8.count == 2, parts[3].utf8.count == 4,
            let month = months.firstIndex(of: String(parts[2]))
        else { return nil }
        let digits = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return try? Date("\(parts[3])-\(digits)-\(parts[1])T\(parts[4])Z", strategy: .iso8601)
    }
}
