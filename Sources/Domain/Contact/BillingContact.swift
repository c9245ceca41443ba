/// The billing information of one account: whom Zoom sends the bill, and where.
package struct BillingContact: Sendable, Equatable {
    /// The ten fields of Zoom's object, in the order Zoom shows them.
    package enum Field: Int, Sendable, CaseIterable {
        case address
        case apartment
        case city
        case country
        case email
        case firstName
        case lastName
        case phoneNumber
        case state
        case zip

        /// Zoom promises every field but the apartment.
        package var isRequired: Bool { self != .apartment }
    }

    /// A member beside the ten, kept as it came and never read: Zoom has begun to add some.
    package struct UnreadMember: Sendable, Equatable {
        package let name: String
        /// The value in whatever notation its source uses.
        package let value: [UInt8]

        package init(name: String, value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    private let values: [String?]

    /// Required fields that the source left out or left empty of a value; each reads as an empty text.
    package let missing: Set<Field>

    package let unread: [UnreadMember]

    /// The door for what comes from Zoom: lenient, and losing nothing.
    ///
    /// - Parameter value: The text of a field; `nil` where the source has none.
    package init(reading value: (Field) -> String?, unread: [UnreadMember] = []) {
        var values: [String?] = []
        var missing: Set<Field> = []
        values.reserveCapacity(Field.allCases.count)
        for field in Field.allCases {
            let text = value(field)
            if text == nil, field.isRequired { missing.insert(field) }
            values.append(text ?? (field.isRequired ? "" : nil))
        }
        self.values = values
        self.missing = missing
        self.unread = unread
    }

    /// The text of a field; `nil` only for an apartment that was not given.
    package subscript(_ field: Field) -> String? { values[field.rawValue] }
}
