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

        /// The field with Zoom's name; `nil` if there is none.
        package init?(name: String) {
            switch name {
            case "address": self = .address
            case "apt": self = .apartment
            case "city": self = .city
            case "country": self = .country
            case "email": self = .email
            case "first_name": self = .firstName
            case "last_name": self = .lastName
            case "phone_number": self = .phoneNumber
            case "state": self = .state
            case "zip": self = .zip
            default: return nil
            }
        }
    }

    /// Zoom's name of a newer member: how many employees the account has.
    package static let employeeCountName = "employee_count"

    private let values: [String?]

    /// Required fields for which the source has no value. Each reads as an empty string.
    package let missing: Set<Field>

    /// The members beside the ten fields.
    package let unread: [UnreadMember]

    /// How many employees the account has, as one of Zoom's bands, such as `2-10`; `nil` if the source has none. It is among
    /// the unread members, too.
    package let employeeCount: String?

    /// Reads a contact of the source. Lenient: no value is refused or lost.
    ///
    /// - Parameters:
    ///   - value: Returns the text of a field; `nil` if the source has none.
    ///   - unread: The members beside the ten fields.
    ///   - employeeCount: The text of the member `employee_count`; `nil` if the source has none.
    package init(reading value: (Field) -> String?, unread: [UnreadMember] = [], employeeCount: String? = nil) {
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
        self.employeeCount = employeeCount
    }

    /// The text of a field; `nil` only for a missing apartment.
    package subscript(_ field: Field) -> String? { values[field.rawValue] }
}
