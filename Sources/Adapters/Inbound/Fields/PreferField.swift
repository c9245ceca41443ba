/// Reads the preferences of a request (RFC 7240).
enum PreferField {
    /// The longest `zoom.wait`, in seconds.
    private static let waitMax = 300

    /// The preference `wait`: the longest time that the client is willing to wait. `nil` if it is missing or not a whole number
    /// of seconds. If it is given several times, the first one counts (RFC 7240, 2).
    static func wait(of request: HTTPRequest) -> Duration? {
        guard let digits = argument(of: "wait", in: request) else { return nil }
        guard !digits.isEmpty, digits.utf8.allSatisfy(\.isASCIIDigit) else { return nil }
        // A number that overflows is above the limit.
        return .seconds(min(Int(digits) ?? waitMax, waitMax))
    }

    /// Whether the client prefers an error to a guess at what it meant (RFC 7240, 4.4: `handling=strict`).
    static func isStrict(_ request: HTTPRequest) -> Bool {
        argument(of: "handling", in: request)?.lowercased() == "strict"
    }

    /// The argument of the first preference of a name; `nil` if there is none.
    private static func argument(of name: String, in request: HTTPRequest) -> Substring? {
        guard let field = request.fields.list(.prefer) else { return nil }
        for preference in FieldList.parts(of: field[...]) {
            let parts = preference.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0].trimmed.lowercased() == name else { continue }
            return parts[1].trimmed
        }
        return nil
    }
}
