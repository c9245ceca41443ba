/// The billing contact of one account: the person and address to which Zoom sends the bill.
package struct BillingContact: Sendable, Equatable {
    /// The ten fields of Zoom's object, in Zoom's order.
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

        /// Zoom documents every field as present, except the apartment.
        package var isRequired: Bool { self != .apartment }

        /// Zoom's name of the field.
        package var name: String {
            switch self {
            case .address: "address"
            case .apartment: "apt"
            case .city: "city"
            case .country: "country"
            case .email: "email"
            case .firstName: "first_name"
            case .lastName: "last_name"
            case .phoneNumber: "phone_number"
            case .state: "state"
            case .zip: "zip"
            }
        }
    }

    private let values: [String?]

    /// Required fields for which the source has no value. Each reads as an empty string.
    package let missing: Set<Field>

    /// The members beside the ten fields.
    package let unread: [UnreadMember]

    /// Reads a contact of the source. Lenient: no value is refused or lost.
    ///
    /// - Parameter value: Returns the text of a field; `nil` if the source has none.
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

    /// The text of a field; `nil` only for a missing apartment.
    package subscript(_ field: Field) -> String? { values[field.rawValue] }
}
