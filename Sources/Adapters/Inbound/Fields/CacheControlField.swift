import Domain

/// Reads the `Cache-Control` directives of a request (RFC 9111, 5.2.1). Unknown directives and arguments that are not numbers
/// of seconds are ignored. If directives conflict, the most restrictive one counts (4.2.1).
enum CacheControlField {
    /// Longer than any response stays in the cache.
    private static let secondsMax = 1_000_000_000

    static func directives(of request: HTTPRequest) -> CacheDirectives {
        guard let field = request.fields.list(.cacheControl) else {
            // HTTP/1.0 has no `Cache-Control` (RFC 9111, 5.4).
            return hasPragmaNoCache(request) ? noCache : .none
        }
        var directives = CacheDirectives()
        var minFresh: Duration?
        var maxStale: Duration?
        for directive in FieldList.parts(of: field[...]) {
            let parts = directive.split(separator: "=", maxSplits: 1)
            let name = (parts.first ?? "").trimmed.lowercased()
            let argument = parts.count == 2 ? seconds(parts[1].trimmed) : nil
            switch name {
            case "no-cache": directives.noCache = true
            case "no-store":
                directives.noCache = true
                directives.noStore = true
            case "max-age": if let argument { directives.maxAge = min(argument, directives.maxAge ?? argument) }
            case "min-fresh": if let argument { minFresh = max(argument, minFresh ?? argument) }
            case "max-stale":
                // Without an argument, a stale response of any age is acceptable (5.2.1.2).
                let limit = parts.count == 1 ? .seconds(secondsMax) : argument
                if let limit { maxStale = min(limit, maxStale ?? limit) }
            case "only-if-cached": directives.onlyIfCached = true
            default: break
            }
        }
        // `max-age` excludes stale responses unless `max-stale` is given too (5.2.1.1).
        if directives.maxAge != nil, maxStale == nil { minFresh = minFresh ?? .zero }
        directives.minFresh = minFresh
        directives.maxStale = maxStale
        return directives
    }

    private static var noCache: CacheDirectives {
        var directives = CacheDirectives()
        directives.noCache = true
        return directives
    }

    private static func hasPragmaNoCache(_ request: HTTPRequest) -> Bool {
        guard let field = request.fields.list(.pragma) else { return false }
        return FieldList.parts(of: field[...]).contains { $0.lowercased() == "no-cache" }
    }

    private static func seconds(_ text: Substring) -> Duration? {
        // Some clients send the argument in quotes (RFC 9111, 5.2).
        let digits = text.hasPrefix("\"") && text.hasSuffix("\"") && text.count > 2 ? text.dropFirst().dropLast() : text
        guard !digits.isEmpty, digits.utf8.allSatisfy(\.isASCIIDigit) else { return nil }
        return .seconds(min(Int(digits) ?? secondsMax, secondsMax))
    }
}
