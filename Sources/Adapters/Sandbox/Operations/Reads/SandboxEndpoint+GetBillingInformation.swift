import NIOCore

extension SandboxEndpoint {
    /// The billing contact of an account (Zoom: Get billing information).
    static let getBillingInformation = SandboxEndpoint(
        title: "Get billing information", method: .get, paths: ["/v2/accounts/{accountId}/billing"],
        access: .accessToken(
            anyOf: [
                "billing:master", "billing_plan:master", "billing:read:billing_information:master",
                "billing:read:billing_information:admin",
            ], label: .medium),
        behaviour: .immediate { sandbox, call in
            sandbox.response(forMasterPaid: call.account) { number in
                contact(
                    sandbox.accounts.contact(of: number), sandbox.accounts.kind(of: number),
                    changed: sandbox.records[number]?.contact ?? [:])
            }
        })

    /// - Parameter changed: The fields that writes set, by Zoom's names.
    private static func contact(
        _ contact: SandboxAccounts.Contact, _ kind: SandboxAccountKind?, changed: [String: String]
    ) -> HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            object.member("address", changed["address"] ?? contact.address)
            if let apartment = changed["apt"] {
                object.member("apt", apartment)
            } else if kind == .nullMembers {
                object.member("apt") { $0.writeString("null") }
            } else if let apartment = contact.apartment {
                object.member("apt", apartment)
            }
            object.member("city", changed["city"] ?? contact.city)
            object.member("country", changed["country"] ?? contact.country)
            object.member("email", changed["email"] ?? contact.email)
            object.member("first_name", changed["first_name"] ?? contact.firstName)
            object.member("last_name", changed["last_name"] ?? contact.lastName)
            write("phone_number", contact.phoneNumber, changed["phone_number"], kind, to: &object)
            write("state", contact.state, changed["state"], kind, to: &object)
            object.member("zip", changed["zip"] ?? contact.zip)
            if let count = changed["employee_count"] ?? (kind == .additionalMembers ? "51-250" : nil) {
                object.member("employee_count", count)
            }
        }
    }

    /// Writes a member that some accounts lack until a write sets it.
    private static func write(
        _ name: StaticString, _ value: String, _ changed: String?, _ kind: SandboxAccountKind?,
        to object: inout JSONMemberWriter
    ) {
        if let changed {
            object.member(name, changed)
            return
        }
        switch kind {
        case .missingMembers: break
        case .nullMembers: object.member(name) { $0.writeString("null") }
        case .additionalMembers, .free, .freeWithSuccessStatus, .selfPay, .quotedStatus, .large, .longAmounts,
            .unsafeFileName, nil:
            object.member(name, value)
        }
    }
}
