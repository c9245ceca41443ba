import Domain

/// What a client wants of an answer that may be kept (RFC 9111, 5.2.1). What is not known, or makes no sense, is as if it were
/// not there.
enum CacheControlField {
    /// No answer is kept for longer than this means.
    private static let secondsMax = 1_000_000_000

    static func demand(of request: HTTPRequest) -> CacheDemand {
        guard let field = request.fields.list(.cacheControl) else { return .none }
        var demand = CacheDemand()
        for directive in field.split(separator: ",") {
            let parts = directive.split(separator: "=", maxSplits: 1)
            let name = (parts.first ?? "").trimmed.lowercased()
            let argument = parts.count == 2 ? seconds(parts[1].trimmed) : nil
            switch name {
            case "no-cache": demand.isNew = true
            case "max-age": if let argument { demand.ageMax = argument }
            // Without a number it is any age.
            case "max-stale": demand.staleMax = parts.count == 1 ? .seconds(secondsMax) : argument
            case "only-if-cached": demand.isKept = true
            default: break
            }
        }
        return demand
    }

    private static func seconds(_ text: Substring) -> Duration? {
        // Some send it in quotes (RFC 9111, 5.2).
        let digits = text.hasPrefix("\"") && text.hasSuffix("\"") && text.count > 2 ? text.dropFirst().dropLast() : text
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return .seconds(min(Int(digits) ?? secondsMax, secondsMax))
    }
}
