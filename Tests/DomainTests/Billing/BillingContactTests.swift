import Domain
import DomainFakes
import Testing

@Suite("Billing contact")
struct BillingContactTests {
    @Test("A billing contact reads every field")
    func whole() {
        let contact = BillingContact(reading: { "\($0)" })
        for field in BillingContact.Field.allCases { #expect(contact[field] == "\(field)") }
        #expect(contact.missing.isEmpty)
    }

    @Test("A billing contact reads a missing required field as empty, and reports it as missing")
    func missing() {
        let contact = BillingContact(reading: { $0 == .email || $0 == .zip ? nil : "x" })
        #expect(contact[.email] == "")
        #expect(contact.missing == [.email, .zip])
    }

    @Test("A billing contact without an apartment is complete")
    func apartment() {
        let contact = BillingContact(reading: { $0 == .apartment ? nil : "x" })
        #expect(contact[.apartment] == nil)
        #expect(contact.missing.isEmpty)
    }

    @Test("A billing contact keeps unknown members unchanged and in order")
    func unread() {
        let members = [
            UnreadMember(name: "employee_count", value: Array("\"2-10\"".utf8)),
            UnreadMember(name: "tax", value: Array("{\"id\": 1.50}".utf8)),
        ]
        #expect(BillingContact(reading: { _ in "x" }, unread: members).unread == members)
    }
}
