import Domain
import NIOCore

/// Responses in Zoom's format.
enum SandboxResponse {
    static func json(status: Int, _ members: (inout JSONMemberWriter) -> Void) -> HTTPResponse {
        var body = ByteBuffer()
        body.writeJSONObject(members)
        var response = HTTPResponse(status: status, body: body)
        response.fields.append(.contentType, "application/json;charset=UTF-8")
        response.fields.append(.contentLength, body.readableBytes)
        return response
    }

    /// An error of the API.
    static func error(_ status: Int, _ code: Int, _ message: String) -> HTTPResponse {
        json(status: status) { object in
            object.member("code", code)
            object.member("message", message)
        }
    }

    /// An error of the token endpoint, which has another format.
    static func oauthError(_ error: String, reason: String) -> HTTPResponse {
        json(status: 400) { object in
            object.member("reason", reason)
            object.member("error", error)
        }
    }

    /// An error about one parameter.
    static func invalid(_ field: String, _ message: String) -> HTTPResponse {
        invalid([(field, message)])
    }

    /// An error about several parameters.
    static func invalid(_ fields: [(name: String, message: String)]) -> HTTPResponse {
        json(status: 400) { object in
            object.member("code", 300)
            object.member("message", "Validation Failed.")
            object.member("errors") { buffer in
                buffer.writeJSONArray(fields) { buffer, field in
                    buffer.writeJSONObject { error in
                        error.member("field", field.name)
                        error.member("message", field.message)
                    }
                }
            }
        }
    }

    static let selfPay = error(400, 2100, "This sub account is on self pay mode.")

    /// - Parameter status: 400, or 200 as observed for this code.
    static func onlyForPaidAccounts(status: Int = 400) -> HTTPResponse {
        error(status, 200, "Only available for paid account.")
    }

    /// Zoom does not document this error.
    static func unknownInvoice(_ id: String) -> HTTPResponse {
        error(404, 404, "Invoice does not exist: \(id).")
    }

    static func unknownAccount(_ id: String) -> HTTPResponse {
        error(404, 2001, "Account does not exist: \(id).")
    }

    // MARK: Rate limits

    static let tooManyASecond = error(
        429, 429, "You have reached the maximum per-second rate limit for this API. Try again later.")

    static func tooManyADay(until resets: Timestamp) -> HTTPResponse {
        tooMany(
            "You have reached the maximum daily rate limit for this API. Refer to the response header for details on "
                + "when you can make another request.", until: resets)
    }

    /// The response to a request over a limit of one account; `nil` if the request is within its limits.
    ///
    /// - Parameter title: Zoom's title of the operation.
    static func tooMany(_ verdict: SandboxRateLimits.AccountVerdict, _ title: String) -> HTTPResponse? {
        switch verdict {
        case .withinLimits: nil
        // Zoom does not document the text of this error.
        case .tooSoon(let resumes): tooMany("Too Many Requests", until: resumes)
        case .overPerDay(let limit, let resets):
            tooMany(
                "You have exceeded the daily rate limit (\(limit)) of \(title) API request for this account. This limit "
                    + "resets at GMT 00:00:00.", until: resets)
        }
    }

    private static func tooMany(_ message: String, until resumes: Timestamp) -> HTTPResponse {
        var response = error(429, 429, message)
        response.fields.append(.retryAfter, resumes.rfc3339)
        return response
    }

    /// The response to a request over a limit; `nil` if the request is within its limits.
    static func tooMany(_ verdict: SandboxRateLimits.Verdict) -> HTTPResponse? {
        switch verdict {
        case .withinLimits: nil
        case .overPerSecond: tooManyASecond
        case .overPerDay(_, let resets): tooManyADay(until: resets)
        }
    }

    /// Adds Zoom's `X-RateLimit-…` fields to a response.
    static func appendRateFields(
        _ verdict: SandboxRateLimits.Verdict, _ label: SandboxRateLimits.Label, to response: inout HTTPResponse
    ) {
        let (type, limit, remaining): (String, Int, Int)
        switch verdict {
        case .withinLimits(let left?, let perSecond?): (type, limit, remaining) = ("QPS", perSecond, left)
        case .withinLimits: return
        case .overPerSecond(let perSecond): (type, limit, remaining) = ("QPS", perSecond, 0)
        case .overPerDay(let perDay, _): (type, limit, remaining) = ("Daily-limit", perDay, 0)
        }
        response.fields.append(FieldName("x-ratelimit-category"), label.rawValue)
        response.fields.append(FieldName("x-ratelimit-type"), type)
        response.fields.append(FieldName("x-ratelimit-limit"), limit)
        response.fields.append(FieldName("x-ratelimit-remaining"), remaining)
    }
}
