/// The media types that a client accepts (RFC 9110, 12.5.1).
struct AcceptField {
    private let ranges: [(type: String, weight: Double)]

    /// Without the field every type is accepted.
    init(of request: borrowing HTTPRequest) {
        guard let list = request.fields.list(.accept), list != "*/*" else {
            ranges = []
            return
        }
        ranges = FieldList.parts(of: list[...]).map { range in
            let parts = FieldList.parts(of: range, separator: ";").map { part in
                part.filter { $0 != " " && $0 != "\t" }.lowercased()
            }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            return (parts.first ?? "", weight)
        }
    }

    /// The first of `types` that is accepted. An exact type takes precedence over a range such as `text/*`.
    func first(of types: [String]) -> String? {
        types.first { weight(of: $0) > 0 }
    }

    /// The one of `types` with the highest weight; the first of equals.
    func preferred(of types: [String]) -> String? {
        let weights = types.map(weight)
        guard let most = weights.max(), most > 0, let index = weights.firstIndex(of: most) else { return nil }
        return types[index]
    }

    private func weight(of type: String) -> Double {
        if ranges.isEmpty { return 1 }
        let group = type.prefix { $0 != "/" } + "/*"
        for range in [type, String(group), "*/*"] {
            if let match = ranges.first(where: { $0.type == range }) { return match.weight }
        }
        return 0
    }
}
