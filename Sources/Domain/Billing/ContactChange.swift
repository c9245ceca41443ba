/// The fields of a billing contact that a write changes, each by its rules.
struct ContactChange: Sendable, Equatable {
    struct FieldValue: Sendable, Equatable {
        let field: BillingContact.Field
        let text: String
    }

    /// In the order of the request.
    private(set) var values: [FieldValue] = []

    /// How many employees the account has, as one of Zoom's bands; `nil` if it is not given.
    private(set) var employeeCount: String?

    subscript(_ field: BillingContact.Field) -> String? {
        values.first { $0.field == field }?.text
    }
}

extension ContactChange {
    /// Which fields must be there.
    enum Completeness: Sendable {
        /// At least one of them (Zoom: Update billing information).
        case part
        /// All but the apartment (Zoom: Subscribe plans).
        case whole
    }

    /// Zoom's bands. Its sources have two spellings of the last.
    private static let employeeCounts = [
        "", "Just Me", "2-10", "11-50", "51-250", "251-500", "501-1000", "1001-5000", "5001-10000", "10001+", "10000+",
    ]

    static let names = BillingContact.Field.allCases.map(\.name) + [BillingContact.employeeCountName]

    /// - Parameter path: The member that contains the contact; empty for a whole body.
    /// - Returns: The change, and the canonical value.
    static func read(
        _ value: InputValue, at path: String, _ completeness: Completeness, by reader: inout InputReader
    ) -> (change: ContactChange, canonical: InputValue) {
        var change = ContactChange()
        var given: Set<BillingContact.Field> = []
        var isEmpty = true
        let canonical = reader.object(value, at: path) { reader, name, value, path in
            isEmpty = false
            if let field = BillingContact.Field(name: name) {
                given.insert(field)
                guard let text = reader.contactText(value, at: path, in: field) else { return nil }
                change.values.append(FieldValue(field: field, text: text))
                return .text(text)
            }
            guard name == BillingContact.employeeCountName else {
                reader.refuseUnknown(name, at: path, value, known: names)
                return nil
            }
            guard case .text(let text) = value, employeeCounts.contains(text) else {
                let bands = employeeCounts.map { "\"\($0)\"" }.joined(separator: ", ")
                reader.refuse(path, "Must be one of \(bands).", given: value)
                return nil
            }
            change.employeeCount = text
            return value
        }
        if case .object = value {
            switch completeness {
            case .part:
                if isEmpty { reader.refuse(path, "Must have at least one field.") }
            case .whole:
                for field in BillingContact.Field.allCases where field.isRequired && !given.contains(field) {
                    reader.refuse(path.isEmpty ? field.name : "\(path).\(field.name)", "Must be given.")
                }
            }
        }
        if let country = change[.country], let problem = change.stateProblem(in: country) {
            reader.refuse(
                path.isEmpty ? "state" : "\(path).state", problem.rule, given: problem.state.map(InputValue.text))
        }
        return (change, canonical)
    }

    /// The rule that the state of this change breaks in a country.
    private func stateProblem(in country: String) -> (rule: String, state: String?)? {
        guard let state = self[.state], let rule = StateRules.problem(of: state, in: country) else { return nil }
        return (rule, state)
    }

    /// The rules that the change breaks together with the current contact: a state belongs to the country.
    func violations(given contact: BillingContact) -> [BillingFailure.Violation] {
        let field = BillingContact.Field.state.name
        switch (self[.country], self[.state]) {
        case (nil, nil), (_?, _?):
            // Without either there is nothing to check; both together were checked with the request.
            return []
        case (nil, let state?):
            guard let country = contact[.country], let rule = StateRules.problem(of: state, in: country) else {
                return []
            }
            return [.init(field: field, message: "\(rule) The country is \(country). Given: \"\(state.excerpt)\".")]
        case (let country?, nil):
            guard let state = contact[.state], let rule = StateRules.problem(of: state, in: country) else { return [] }
            return [
                .init(
                    field: field,
                    message: "Must be given with the country \(country). The state is \"\(state.excerpt)\" now. \(rule)"
                )
            ]
        }
    }

    /// Whether every field of the change has its value in a contact.
    func isShown(by contact: BillingContact) -> Bool {
        guard employeeCount == nil || employeeCount == contact.employeeCount else { return false }
        return values.allSatisfy { value in
            (contact[value.field] ?? "").unicodeScalars.elementsEqual(value.text.unicodeScalars)
        }
    }

    /// - Parameter path: The member that contains the contact; empty for a whole body.
    func differences(from contact: BillingContact, at path: String) -> [Difference] {
        func difference(_ name: String, from old: String?, to new: String) -> Difference? {
            let old = old.flatMap { $0.isEmpty ? nil : $0 }
            guard (old ?? "") != new else { return nil }
            return Difference(
                field: path.isEmpty ? name : "\(path).\(name)", from: old, to: new.isEmpty ? nil : new)
        }
        let fields = values.compactMap { difference($0.field.name, from: contact[$0.field], to: $0.text) }
        let employees = employeeCount.flatMap {
            difference(BillingContact.employeeCountName, from: contact.employeeCount, to: $0)
        }
        return fields + [employees].compactMap(\.self)
    }
}
