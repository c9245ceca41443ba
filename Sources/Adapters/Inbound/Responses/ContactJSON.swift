package import Domain
package import NIOCore

extension ByteBuffer {
    /// Writes the object of *Get billing information*: the ten fields, then the other members that Zoom sent.
    package mutating func writeContact(_ contact: BillingContact) {
        writeJSONObject { object in
            object.member("address", contact[.address])
            if let apartment = contact[.apartment] { object.member("apt", apartment) }
            object.member("city", contact[.city])
            object.member("country", contact[.country])
            object.member("email", contact[.email])
            object.member("first_name", contact[.firstName])
            object.member("last_name", contact[.lastName])
            object.member("phone_number", contact[.phoneNumber])
            object.member("state", contact[.state])
            object.member("zip", contact[.zip])
            for member in contact.unread { object.member(named: member.name, text: member.value) }
        }
    }
}

/// The names of the ten fields in answers.
package enum ContactFieldNames {
    package static let inOrder = BillingContact.Field.allCases.map(\.name)
    static let all = Set(inOrder)
}
