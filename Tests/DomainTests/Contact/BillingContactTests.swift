import Domain
import DomainFakes
import Testing

@Suite("A billing contact")
struct BillingContactTests {
    @Test("reads every field")
    func whole() {
        let contact = BillingContact(reading: { "\($0)" })
        for field in BillingContact.Field.allCases { #expect(contact[field] == "\(field)") }
        #expect(contact.missing.isEmpty)
    }

    @Test("reads a required field that was left out as empty, and says so")
    func missing() {
        let contact = BillingContact(reading: { $0 == .email || $0 == .zip ? nil : "x" })
        #expect(contact[.email] == "")
        #expect(contact.missing == [.email, .zip])
    }

    @Test("may have no apartment, which is not missed")
    func apartment() {
        let contact = BillingContact(reading: { $0 == .apartment ? nil : "x" })
        #expect(contact[.apartment] == nil)
        #expect(contact.missing.isEmpty)
    }

    @Test("keeps what it does not understand, as it came and in order")
    func unread() {
        let members = [
            BillingContact.UnreadMember(name: "employee_count", value: Array("\"2-10\"".utf8)),
            BillingContact.UnreadMember(name: "tax", value: Array("{\"id\": 1.50}".utf8)),
        ]
        #expect(BillingContact(reading: { _ in "x" }, unread: members).unread == members)
    }
}

@Suite("The billing mode of an account")
struct BillingModeTests {
    @Test("decides whether the master sees its billing")
    func visibility() throws {
        let contact = BillingContact.sample(AccountID(literal: "a"))
        #expect(try AccountBilling.masterPays(contact).visibleContact() == contact)
        #expect(throws: BillingFailure.selfPay) { try AccountBilling.selfPay.visibleContact() }
        for billing in [AccountBilling.masterPays(contact), .selfPay] {
            #expect(billing.mode.showsBillingToMaster == ((try? billing.visibleContact()) != nil))
        }
    }
}
