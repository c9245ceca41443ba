import NIOCore

/// A fault that the sandbox injects, and the requests that it affects.
package struct SandboxFault: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// The response is delayed by `delay_ms`.
        case latency
        /// 429 as Zoom documents it for limits per second: rate fields, no `Retry-After`.
        case tooManyASecond = "429-second"
        /// The same, with a `Retry-After` in seconds or as an HTTP date.
        case tooManyUntilSeconds = "429-seconds"
        case tooManyUntilDate = "429-date"
        /// 429 as Zoom documents it for daily limits: `Retry-After` in ISO 8601.
        case tooManyADay = "429-day"
        /// 429 for the daily limit of one user, as observed: no `Retry-After`, and rate fields of another limit.
        case tooManyForUser = "429-user"
        /// 429 without fields and body.
        case tooManyBare = "429-bare"
        /// An error in Zoom's format with `status`, `code` and `message`.
        case status
        /// A gateway's HTML page with `status`.
        case html
        /// 200 without a body.
        case empty
        /// The first half of the response, ended as if complete.
        case truncation
        /// Numbers instead of strings, a string instead of an array, and an error code as a string.
        case wrongTypes = "wrong-types"
        /// A body of 10 MB of spaces.
        case huge
        /// RST_STREAM before the response; on HTTP/1.1 a closed connection.
        case reset
        /// RST_STREAM after half of the response; on HTTP/1.1 a closed connection.
        case resetHalfway = "reset-halfway"
        /// GOAWAY, then a closed connection.
        case goAway = "goaway"
        /// A closed connection without a response.
        case close
        /// No response.
        case stall
        /// The response in pieces of `bytes`, with `delay_ms` between them.
        case slowDrip = "slow-drip"
        /// Revokes the request's token: code 124 with `status`.
        case tokenRevoked = "token-revoked"
        /// 503 with a `Retry-After` in seconds or as an HTTP date.
        case unavailableSeconds = "503-seconds"
        case unavailableDate = "503-date"
        /// A redirect to `location`, with `status`.
        case redirect
        /// The response with lone surrogates and invalid UTF-8 in strings and names.
        case badText = "bad-text"
        /// An error with `status`, `code` and `message`, delayed by `delay_ms`. The request is not processed.
        case refusedLate = "refused-late"
        /// The request is processed. No response.
        case noAnswerAfterEffect = "no-answer-after-effect"
        /// The request is processed. RST_STREAM instead of the response; on HTTP/1.1 a closed connection.
        case resetAfterEffect = "reset-after-effect"
        /// The request is processed. A closed connection instead of the response.
        case closeAfterEffect = "close-after-effect"
        /// The request is processed. An error with `status`, `code` and `message` instead of the response.
        case statusAfterEffect = "status-after-effect"
        /// 200 without a body instead of a success.
        case success200 = "success-200"
        /// The response without its body if its status is 201.
        case emptyCreated = "empty-created"

        /// What happens to a write under a fault.
        enum EffectOnWrites {
            case applied
            case appliedWithoutResponse
            case prevented
            case preventedWithoutResponse
        }

        /// Whether a write under this fault takes effect, and whether there is a response.
        var effectOnWrites: EffectOnWrites {
            switch self {
            case .latency, .truncation, .resetHalfway, .slowDrip, .badText, .statusAfterEffect, .success200,
                .emptyCreated:
                .applied
            case .noAnswerAfterEffect, .resetAfterEffect, .closeAfterEffect: .appliedWithoutResponse
            case .tooManyASecond, .tooManyUntilSeconds, .tooManyUntilDate, .tooManyADay, .tooManyForUser, .tooManyBare,
                .status, .html, .empty, .wrongTypes, .huge, .tokenRevoked, .unavailableSeconds, .unavailableDate,
                .redirect, .refusedLate:
                .prevented
            case .reset, .goAway, .close, .stall: .preventedWithoutResponse
            }
        }
    }

    package var kind: Kind

    /// The operation and account that it affects; `nil` for all.
    package var operation: SandboxOperation?
    package var account: String?

    /// The probability for each matching request, above 0, at most 1.
    package var probability = 1.0

    /// The number of matching requests to skip first.
    package var skip = 0

    /// The maximum number of requests to affect.
    package var times = Int.max

    package var status: Int

    /// The code of an error with `status`; `nil` for the same number.
    package var code: Int?
    package var message = "The sandbox was told to fail."

    /// The target of a redirect. `{invoiceId}` in it is replaced by the invoice of the request.
    package var location = "https://login.example/?from=zoom"

    /// The number of bytes in a piece of a slow response.
    package var bytes = 1

    package var delay: Duration
    package var retryAfterSeconds = 2

    package init(_ kind: Kind, operation: SandboxOperation? = nil) {
        self.kind = kind
        self.operation = operation
        let statuses: [Kind: Int] = [.html: 502, .tokenRevoked: 401, .redirect: 302, .refusedLate: 400]
        status = statuses[kind] ?? 500
        delay = kind == .slowDrip ? .milliseconds(100) : .seconds(1)
    }
}

extension SandboxFault {
    private static let members: Set<String> = [
        "fault", "operation", "account_id", "probability", "skip", "times", "status", "code", "message",
        "location", "bytes", "delay_ms", "retry_after_seconds",
    ]

    /// Parses the JSON form that `docs/sandbox.md` describes.
    init(_ value: JSONValue, at place: String) throws(DocumentProblem) {
        let object = try StrictObject(value, at: place, members: Self.members)
        func number(_ name: String, _ range: ClosedRange<Int>) throws(DocumentProblem) -> Int? {
            try object.member(name, as: "a number from \(range.lowerBound) to \(range.upperBound)") { value in
                guard case .number(let text) = value, let number = Int(text) else { return nil }
                return range.contains(number) ? number : nil
            }
        }
        self.init(
            try object.required("fault", as: "one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))") {
                $0.string.flatMap(Kind.init)
            },
            operation: try object.member(
                "operation", as: "one of \(SandboxOperation.allCases.map(\.rawValue).joined(separator: ", "))"
            ) { $0.string.flatMap(SandboxOperation.init) })
        account = try object.member("account_id", as: "a string") { $0.string }
        probability =
            try object.member("probability", as: "a number above 0 and at most 1") { value in
                guard case .number(let text) = value, let number = Double(text) else { return nil }
                return number > 0 && number <= 1 ? number : nil
            } ?? 1
        skip = try number("skip", 0...1_000_000_000) ?? 0
        times = try number("times", 1...1_000_000_000) ?? .max
        status = try number("status", 200...599) ?? status
        code = try number("code", 0...1_000_000)
        message = try object.member("message", as: "a string") { $0.string } ?? message
        location =
            try object.member("location", as: "a URL or a path in visible ASCII characters") { value in
                value.string.flatMap { $0.utf8.allSatisfy(\.isASCIIVisible) && !$0.isEmpty ? $0 : nil }
            } ?? location
        bytes = try number("bytes", 1...65_536) ?? bytes
        delay = try number("delay_ms", 0...3_600_000).map { .milliseconds($0) } ?? delay
        retryAfterSeconds = try number("retry_after_seconds", 0...1_000_000_000) ?? retryAfterSeconds
    }

    /// Parses a file of faults: `{"faults": […]}`.
    package static func list(parsing bytes: [UInt8]) throws(DocumentProblem) -> [SandboxFault] {
        var faults: [SandboxFault] = []
        for (index, value) in try JSONValue.document(bytes, array: "faults").enumerated() {
            faults.append(try SandboxFault(value, at: "fault \(index + 1)"))
        }
        return faults
    }

    func write(to object: inout JSONMemberWriter) {
        object.member("fault", kind.rawValue)
        if let operation { object.member("operation", operation.rawValue) }
        if let account { object.member("account_id", account) }
        object.member("probability") { $0.writeString("\(probability)") }
        object.member("skip", skip)
        if times != .max { object.member("times", times) }
        object.member("status", status)
        if let code { object.member("code", code) }
        object.member("message", message)
        object.member("location", location)
        object.member("bytes", bytes)
        object.member("delay_ms", Int(delay / .milliseconds(1)))
        object.member("retry_after_seconds", retryAfterSeconds)
    }
}
