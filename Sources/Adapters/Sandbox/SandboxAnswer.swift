import Domain
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

    static func contact(
        _ contact: SandboxAccounts.Contact, _ oddity: SandboxAccounts.Oddity?
    ) -> HTTPResponse {
        json(status: 200) { object in
            object.member("address", contact.address)
            if oddity == .null {
                object.member("apt") { $0.writeString("null") }
            } else if let apartment = contact.apartment {
                object.member("apt", apartment)
            }
            object.member("city", contact.city)
            object.member("country", contact.country)
            object.member("email", contact.email)
            object.member("first_name", contact.firstName)
            object.member("last_name", contact.lastName)
            switch oddity {
            case .missing: break
            case .null:
                object.member("phone_number") { $0.writeString("null") }
                object.member("state") { $0.writeString("null") }
            case .more, nil:
                object.member("phone_number", contact.phoneNumber)
                object.member("state", contact.state)
            }
            object.member("zip", contact.zip)
            if oddity == .more { object.member("employee_count", "51-250") }
        }
    }

    /// *Get sub account details*.
    static func details(_ id: String, _ number: Int, isSelfPay: Bool) -> HTTPResponse {
        json(status: 200) { object in
            object.member("id", id)
            object.member("owner_id", "owner-\(number)")
            object.member("owner_email", "owner-\(number)@example.com")
            object.member("created_at", "2024-02-01T09:00:00Z")
            object.member("vanity_url", "")
            object.member("options") { buffer in
                buffer.writeJSONObject { options in
                    options.member("share_rc") { $0.writeString("false") }
                    options.member("share_mc") { $0.writeString("false") }
                    options.member("pay_mode", isSelfPay ? "sub" : "master")
                    options.member("billing_auto_renew") { $0.writeString("true") }
                }
            }
        }
    }

    /// *Get plan usage*.
    static func planUsage(_ number: Int) -> HTTPResponse {
        json(status: 200) { object in
            object.member("plan_base") { buffer in
                buffer.writeJSONObject { plan in
                    plan.member("type", "business_yearly")
                    plan.member("hosts", 10 + number % 40)
                    plan.member("usage", number % 10)
                    plan.member("pending", 0)
                }
            }
        }
    }

    /// *List billing invoices*: one for each account.
    static func invoices(_ number: Int) -> HTTPResponse {
        json(status: 200) { object in
            object.member("currency", "USD")
            object.member("invoices") { buffer in
                buffer.writeJSONArray([number]) { buffer, number in
                    buffer.writeJSONObject { invoice in
                        invoice.member("id", "2c92a0f9\(String(number, radix: 16))")
                        invoice.member("invoice_number", "INV\(100_000_000 + number)")
                        invoice.member("invoice_date", "2026-03-01")
                        invoice.member("due_date", "2026-03-31")
                        invoice.member("target_date", "2026-03-01")
                        invoice.member("status", "Posted")
                        invoice.member("total_amount") { $0.writeString("\(1000 + number % 1000).50") }
                        invoice.member("tax_amount", 0)
                        invoice.member("balance", 0)
                    }
                }
            }
        }
    }

    /// Too many requests of one operation for one account.
    static func tooManyOfOne(_ title: String, _ resumes: Timestamp) -> HTTPResponse {
        tooMany(
            "You have exceeded the daily rate limit (6) of \(title) API request for this account. This limit resets at "
                + "GMT 00:00:00.", until: resumes)
    }

    static let tooManyASecond = error(
        429, 429, "You have reached the maximum per-second rate limit for this API. Try again later.")

    static func tooManyADay(until resets: Timestamp) -> HTTPResponse {
        tooMany(
            "You have reached the maximum daily rate limit for this API. Refer to the response header for details on "
                + "when you can make another request.", until: resets)
    }

    private static func tooMany(_ message: String, until resumes: Timestamp) -> HTTPResponse {
        var response = error(429, 429, message)
        response.fields.append(.retryAfter, resumes.rfc3339)
        return response
    }

    /// The response to a request over a limit; nil for a request within the limits.
    static func refusal(_ verdict: SandboxRateLimits.Verdict) -> HTTPResponse? {
        switch verdict {
        case .allowed: nil
        case .overPerSecond: tooManyASecond
        case .overPerDay(_, let resets): tooManyADay(until: resets)
        }
    }

    /// Adds the remaining quota of a limit to the fields of a response, as Zoom does.
    static func tell(
        _ verdict: SandboxRateLimits.Verdict, _ label: SandboxRateLimits.Label, in response: inout HTTPResponse
    ) {
        let (type, limit, left): (String, Int, Int)
        switch verdict {
        case .allowed(let remaining?, let perSecond?): (type, limit, left) = ("QPS", perSecond, remaining)
        case .allowed: return
        case .overPerSecond(let perSecond): (type, limit, left) = ("QPS", perSecond, 0)
        case .overPerDay(let perDay, _): (type, limit, left) = ("Daily-limit", perDay, 0)
        }
        response.fields.append(FieldName("x-ratelimit-category"), label.rawValue)
        response.fields.append(FieldName("x-ratelimit-type"), type)
        response.fields.append(FieldName("x-ratelimit-limit"), limit)
        response.fields.append(FieldName("x-ratelimit-remaining"), left)
    }
}
