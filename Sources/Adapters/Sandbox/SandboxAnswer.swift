import NIOCore

/// Answers in Zoom's form.
enum SandboxAnswer {
    static func json(status: Int, _ members: (inout JSONMemberWriter) -> Void) -> HTTPResponse {
        var body = ByteBuffer()
        body.writeJSONObject(members)
        var response = HTTPResponse(status: status, body: body)
        response.fields.append(.contentType, "application/json;charset=UTF-8")
        response.fields.append(.contentLength, body.readableBytes)
        return response
    }

    /// An error of the API: a code and a message.
    static func error(_ status: Int, _ code: Int, _ message: String) -> HTTPResponse {
        json(status: status) { object in
            object.member("code", code)
            object.member("message", message)
        }
    }

    /// An error of the token endpoint, which has another form.
    static func oauthError(_ error: String, reason: String) -> HTTPResponse {
        json(status: 400) { object in
            object.member("reason", reason)
            object.member("error", error)
        }
    }

    static func contact(_ contact: SandboxAccounts.Contact) -> HTTPResponse {
        json(status: 200) { object in
            object.member("address", contact.address)
            if let apartment = contact.apartment { object.member("apt", apartment) }
            object.member("city", contact.city)
            object.member("country", contact.country)
            object.member("email", contact.email)
            object.member("first_name", contact.firstName)
            object.member("last_name", contact.lastName)
            object.member("phone_number", contact.phoneNumber)
            object.member("state", contact.state)
            object.member("zip", contact.zip)
        }
    }

    /// The answer to a request that is over a limit; `nil` for one that is not.
    static func refusal(_ verdict: SandboxRateLimits.Verdict) -> HTTPResponse? {
        switch verdict {
        case .goesOn: return nil
        case .overPerSecond:
            return error(
                429, 429, "You have reached the maximum per-second rate limit for this API. Try again later.")
        case .overPerDay(_, let resets):
            var response = error(
                429, 429,
                "You have reached the maximum daily rate limit for this API. Refer to the response header for details "
                    + "on when you can make another request.")
            response.fields.append(.retryAfter, resets.rfc3339)
            return response
        }
    }

    /// Says in the fields of an answer what is left of a limit, as Zoom does.
    static func tell(
        _ verdict: SandboxRateLimits.Verdict, _ label: SandboxRateLimits.Label, in response: inout HTTPResponse
    ) {
        let (type, limit, left): (String, Int, Int)
        switch verdict {
        case .goesOn(let remaining?, let perSecond?): (type, limit, left) = ("QPS", perSecond, remaining)
        case .goesOn: return
        case .overPerSecond(let perSecond): (type, limit, left) = ("QPS", perSecond, 0)
        case .overPerDay(let perDay, _): (type, limit, left) = ("Daily-limit", perDay, 0)
        }
        response.fields.append(FieldName("x-ratelimit-category"), label.rawValue)
        response.fields.append(FieldName("x-ratelimit-type"), type)
        response.fields.append(FieldName("x-ratelimit-limit"), limit)
        response.fields.append(FieldName("x-ratelimit-remaining"), left)
    }
}
