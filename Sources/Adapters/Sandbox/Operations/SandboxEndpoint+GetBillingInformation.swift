import NIOCore

extension SandboxEndpoint {
    /// The billing contact of an account (Zoom: Get billing information).
    static let getBillingInformation = SandboxEndpoint(
        title: "Get billing information", method: .get, path: "/v2/accounts/{accountId}/billing",
        access: .accessToken(anyOf: ["billing:master", "billing:read:billing_information:master"], label: .medium),
        behaviour: .immediate { sandbox, call in
            sandbox.count(call.operation)
            return sandbox.response(forMasterPaid: call.account) { number in
                contact(sandbox.accounts.contact(of: number), sandbox.accounts.anomaly(of: number))
            }
        })

    private static func contact(
        _ contact: SandboxAccounts.Contact, _ anomaly: SandboxAccounts.Anomaly?
    ) -> HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            object.member("address", contact.address)
            if anomaly == .null {
                object.member("apt") { $0.writeString("null") }
            } else if let apartment = contact.apartment {
                object.member("apt", apartment)
            }
            object.member("city", contact.city)
            object.member("country", contact.country)
            object.member("email", contact.email)
            object.member("first_name", contact.firstName)
            object.member("last_name", contact.lastName)
            switch anomaly {
            case .missing: break
            case .null:
                object.member("phone_number") { $0.writeString("null") }
                object.member("state") { $0.writeString("null") }
            case .additional, nil:
                object.member("phone_number", contact.phoneNumber)
                object.member("state", contact.state)
            }
            object.member("zip", contact.zip)
            if anomaly == .additional { object.member("employee_count", "51-250") }
        }
    }
}
