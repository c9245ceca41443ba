/// The media types a client takes (RFC 9110, 12.5.1).
struct AcceptField {
    private let ranges: [(type: String, isRefused: Bool)]

    /// No field accepts everything.
    init(of request: borrowing HTTPRequest) {
        guard let list = request.fields.list(.accept), list != "*/*" else {
            ranges = []
            return
        }
        ranges = list.split(separator: ",").map { range in
            let parts = range.split(separator: ";").map { part in
                part.filter { $0 != " " && $0 != "\t" }.lowercased()
            }
            // Weights are told apart only as far as 0, which refuses.
            let isRefused = parts.dropFirst().contains { $0.hasPrefix("q=0") && $0.allSatisfy { "q=0.".contains($0) } }
            return (parts.first ?? "", isRefused)
        }
    }

    /// The first of `types` that is taken. What names a type itself counts before what takes it in with others.
    func first(of types: [String]) -> String? {
        if ranges.isEmpty { return types.first }
        return types.first { type in
            let group = type.prefix { $0 != "/" } + "/*"
            for range in [type, String(group), "*/*"] {
                if let match = ranges.first(where: { $0.type == range }) { return !match.isRefused }
            }
            return false
        }
    }
}
