package import Domain

/// The parameters of a query. Repeated parameters are errors, since ignoring one would hide a client's mistake.
package struct Query {
    private let values: [String: String]

    /// Reads a query whose unknown parameters are errors as well.
    ///
    /// - Throws: `invalid` with a violation for each wrong parameter.
    package init(_ query: ArraySlice<UInt8>?, allowed: Set<String>) throws(BillingFailure) {
        try self.init(query, names: allowed, ignoresOthers: false)
    }

    /// Reads some parameters of a query and ignores all others.
    ///
    /// - Throws: `invalid` with a violation for each wrong parameter.
    package init(_ query: ArraySlice<UInt8>?, reading names: Set<String>) throws(BillingFailure) {
        try self.init(query, names: names, ignoresOthers: true)
    }

    private init(
        _ query: ArraySlice<UInt8>?, names: Set<String>, ignoresOthers: Bool
    ) throws(BillingFailure) {
        var values: [String: String] = [:]
        var violations: [BillingFailure.Violation] = []
        for pair in (query ?? []).split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(parts[0]), names.contains(name) else {
                if !ignoresOthers { violations.append(.init(field: "query", message: "Unknown parameter.")) }
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
