import NIOCore

/// Something that goes wrong in the sandbox, and for which requests.
package struct SandboxFault: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// The answer comes later by `delay_ms`.
        case latency
        /// 429 as Zoom documents it for a second: rate fields, no `Retry-After`.
        case tooManyASecond = "429-second"
        /// The same with a `Retry-After` in seconds, or as a date of HTTP.
        case tooManyUntilSeconds = "429-seconds"
        case tooManyUntilDate = "429-date"
        /// 429 as Zoom documents it for a day: `Retry-After` in ISO 8601.
        case tooManyADay = "429-day"
        /// 429 for one user's day, as seen: no `Retry-After`, and fields that speak of something else.
        case tooManyForUser = "429-user"
        /// 429 with nothing else.
        case tooManyBare = "429-bare"
        /// Zoom's error form with `status`.
        case status
        /// What a gateway says in front of Zoom: a page, with `status`.
        case html
        /// 200 with no body.
        case empty
        /// Half of the answer, as if it were the whole.
        case truncation
        /// Numbers where texts belong, texts where arrays do, and the code of an error as a text.
        case wrongTypes = "wrong-types"
        /// 10 MB that never end in an answer.
        case huge
        /// RST_STREAM before any answer; on HTTP/1.1 a closed connection.
        case reset
        /// RST_STREAM half-way; on HTTP/1.1 a closed connection.
        case resetHalfway = "reset-halfway"
        /// GOAWAY, and the end of the connection.
        case goAway = "goaway"
        /// The connection is closed without a word.
        case close
        /// No answer at all.
        case stall
        /// The answer, byte after byte, with `delay_ms` between them.
        case slowDrip = "slow-drip"
        /// The token of the request is revoked before it is looked at: code 124, with `status`.
        case tokenRevoked = "token-revoked"
        /// 503 with a `Retry-After` in seconds, or as a date of HTTP.
        case unavailableSeconds = "503-seconds"
        case unavailableDate = "503-date"
        /// A redirect to another host, with `status`.
        case redirect
        /// The answer with half a surrogate pair and a byte that is not UTF-8 in its texts and its names.
        case badText = "bad-text"
    }

    package var kind: Kind

    /// Those it is for; `nil` for all.
    package var operation: SandboxOperation?
    package var account: String?

    /// How likely it is for each of them, above 0 to 1.
    package var probability = 1.0

    /// So many of them it lets pass first.
    package var skip = 0

    /// How many of them it spoils, as long as it is there.
    package var times = Int.max

    package var status: Int
    package var delay: Duration
    package var retryAfterSeconds = 2

    package init(_ kind: Kind, operation: SandboxOperation? = nil) {
        self.kind = kind
        self.operation = operation
        let statuses: [Kind: Int] = [.html: 502, .tokenRevoked: 401, .redirect: 302]
        status = statuses[kind] ?? 500
        delay = kind == .slowDrip ? .milliseconds(100) : .seconds(1)
    }
}

extension SandboxFault {
    private static let members: Set<String> = [
        "fault", "operation", "account_id", "probability", "skip", "times", "status", "delay_ms",
        "retry_after_seconds",
    ]

    /// From JSON, as `docs/sandbox.md` describes it.
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
        account = try object.member("account_id", as: "a text") { $0.string }
        probability =
            try object.member("probability", as: "a number above 0 and at most 1") { value in
                guard case .number(let text) = value, let number = Double(text) else { return nil }
                return number > 0 && number <= 1 ? number : nil
            } ?? 1
        skip = try number("skip", 0...1_000_000_000) ?? 0
        times = try number("times", 1...1_000_000_000) ?? .max
        status = try number("status", 200...599) ?? status
        delay = try number("delay_ms", 0...3_600_000).map { .milliseconds($0) } ?? delay
        retryAfterSeconds = try number("retry_after_seconds", 0...1_000_000_000) ?? retryAfterSeconds
    }

    /// All of a file: `{"faults": […]}`.
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
        object.member("delay_ms", Int(delay / .milliseconds(1)))
        object.member("retry_after_seconds", retryAfterSeconds)
    }
}
