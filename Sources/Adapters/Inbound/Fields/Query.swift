package import Domain

/// The parameters of a query. Unknown and repeated parameters are errors, since ignoring one would hide a client's mistake.
package struct Query {
    private let values: [String: String]

    /// - Throws: `invalid` with a violation for each wrong parameter.
    package init(_ query: ArraySlice<UInt8>?, allowed: Set<String>) throws(BillingFailure) {
        var values: [String: String] = [:]
        var violations: [BillingFailure.Violation] = []
        for pair in (query ?? []).split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(parts[0]), allowed.contains(name) else {
                violations.append(.init(field: "query", message: "Unknown parameter."))
                continue
            }
            guard let value = parts.count == 2 ? PercentEncoding.decode(parts[1]) : "" else {
                violations.append(.init(field: name, message: "Not percent-encoded UTF-8."))
                continue
            }
            if values.updateValue(value, forKey: name) != nil {
                violations.append(.init(field: name, message: "Given twice."))
            }
        }
        guard violations.isEmpty else { throw .invalid(violations) }
        self.values = values
    }

    package subscript(_ name: String) -> String? { values[name] }
}
