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
                contact(sandbox.accounts.contact(of: number), sandbox.accounts.kind(of: number))
            }
        })

    private static func contact(
        _ contact: SandboxAccounts.Contact, _ kind: SandboxAccountKind?
    ) -> HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            object.member("address", contact.address)
            if kind == .nullMembers {
                object.member("apt") { $0.writeString("null") }
            } else if let apartment = contact.apartment {
                object.member("apt", apartment)
            }
            object.member("city", contact.city)
            object.member("country", contact.country)
            object.member("email", contact.email)
            object.member("first_name", contact.firstName)
            object.member("last_name", contact.lastName)
            switch kind {
            case .missingMembers: break
            case .nullMembers:
                object.member("phone_number") { $0.writeString("null") }
                object.member("state") { $0.writeString("null") }
            case .additionalMembers, .free, .freeWithSuccessStatus, .selfPay, .quotedStatus, .large, .longAmounts,
                .unsafeFileName, nil:
                object.member("phone_number", contact.phoneNumber)
                object.member("state", contact.state)
            }
            object.member("zip", contact.zip)
            if kind == .additionalMembers { object.member("employee_count", "51-250") }
        }
    }
}
