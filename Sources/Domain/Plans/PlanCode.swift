/// Zoom's code of a plan, such as `webinar500_monthly`: a family, a size and a term.
///
/// Zoom's list of codes is open. A code that this service does not know has no family.
package struct PlanCode: Sendable, Hashable {
    package let text: String

    /// `nil` for a code that this service does not know.
    package let family: PlanFamily?

    /// Participants, students or dollars a month, by the family; `nil` for a code without a size.
    package let size: Int?

    /// `nil` for a code without a term. Zoom reports some codes without theirs.
    package let term: Term?

    /// The period for which a plan is paid. The raw values are the ends of Zoom's codes.
    package enum Term: String, Sendable, CaseIterable {
        case monthly
        case quarterly
        case yearly
        case twoYears = "two_years"
        case threeYears = "three_years"

        /// Whether codes with the term begin with `plan_`.
        var hasPrefix: Bool {
            switch self {
            case .monthly, .quarterly, .yearly: false
            case .twoYears, .threeYears: true
            }
        }
    }

    package init(_ text: String) {
        self.text = text
        let parts = Self.parts(of: text)
        family = parts?.family
        size = parts?.size
        term = parts?.term
    }

    private static let prefix = "plan_"

    private static func parts(of text: String) -> (family: PlanFamily, size: Int?, term: Term?)? {
        guard text.utf8.count <= lengthMax else { return nil }
        if let family = PlanFamily.ofFixedCode[text] { return (family, nil, nil) }
        var stem = text[...]
        var term: Term?
        if let found = Term.allCases.first(where: { text == $0.rawValue || text.hasSuffix("_\($0.rawValue)") }) {
            term = found
            stem = text.dropLast(found.rawValue.utf8.count).dropLast()
            if found.hasPrefix, stem.hasPrefix(prefix) { stem = stem.dropFirst(prefix.utf8.count) }
        }
        // `monthly` and `yearly` alone are Pro plans.
        if stem.isEmpty, term == .monthly || term == .yearly { return (.pro, nil, term) }
        if let family = PlanFamily.ofStem[String(stem)] {
            // Only `plan_pro_two_years` and `plan_pro_three_years` have the name of the family.
            return term != nil && (family != .pro || term?.hasPrefix == true) ? (family, nil, term) : nil
        }
        let digits = stem.utf8.reversed().prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
        guard digits > 0, let size = Int(stem.suffix(digits)),
            let family = PlanFamily.ofSizedStem[String(stem.dropLast(digits))], family.sizes.contains(size)
        else { return nil }
        return (family, size, term)
    }

    /// Whether this is exactly a code that Zoom documents.
    var isKnown: Bool {
        guard let family else { return false }
        return family.hasTerm ? term != nil : term == nil
    }

    // MARK: Form

    /// Zoom's longest code has fewer than 50 characters.
    static let lengthMax = 64

    /// Whether a text can be a code: 1 to `lengthMax` ASCII letters, digits and `_ - .`.
    static func isWellFormed(_ text: String) -> Bool {
        guard (1...lengthMax).contains(text.utf8.count) else { return false }
        return text.utf8.allSatisfy { $0.isASCIILetterOrDigit || "_-.".utf8.contains($0) }
    }

    /// Whether two codes can mean the same plan. Zoom reports some codes without their term.
    func canMatch(_ other: PlanCode) -> Bool {
        if text == other.text { return true }
        guard let family, family == other.family, size == other.size else { return false }
        return family.hasTerm && (term == nil || other.term == nil)
    }
}
