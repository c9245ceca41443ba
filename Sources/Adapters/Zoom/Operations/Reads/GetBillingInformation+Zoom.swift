package import Domain
import Logging

extension ZoomEndpoint {
    /// The billing contact of one account (Zoom: Get billing information).
    static let getBillingInformation = ZoomEndpoint(
        .getBillingInformation, .get, "/accounts/{accountId}/billing", rateLabel: .medium,
        scopes: [
            "billing:master", "billing_plan:master", "billing:read:billing_information:master",
            "billing:read:billing_information:admin",
        ],
        answerBody: .object,
        // A billing contact takes less than 2 KiB.
        answerBytesMax: 256 * 1024,
        readAnswer: { answer, logger throws(ZoomFailure) in
            let contact = try BillingContact(zoom: try answer.object())
            if !contact.missing.isEmpty {
                logger.debug(
                    "Zoom left out fields of a billing contact",
                    metadata: ["fields": "\(contact.missing.map { "\($0)" }.sorted().joined(separator: ", "))"])
            }
            return .contact(contact)
        })
}

extension BillingContact {
    /// - Throws: `unreadable` for an object without any of the ten fields, since it must be some other object.
    package init(zoom object: JSONObject) throws(ZoomFailure) {
        var texts = [String?](repeating: nil, count: Field.allCases.count)
        var unread: [UnreadMember] = []
        var isContact = false
        for member in object.members {
            if let field = Field(name: member.name) {
                texts[field.rawValue] = member.value.text
                isContact = true
            } else {
                // The last member of a name counts, as it does for the ten fields.
                unread.removeAll { $0.name == member.name }
                unread.append(.init(name: member.name, value: Array(member.text)))
            }
        }
        guard isContact else { throw .unreadable }
        let employeeCount = object[Self.employeeCountName]?.text
        self.init(reading: { texts[$0.rawValue] }, unread: unread, employeeCount: employeeCount)
    }
}
