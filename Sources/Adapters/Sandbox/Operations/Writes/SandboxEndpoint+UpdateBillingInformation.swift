extension SandboxEndpoint {
    /// Changes fields of the billing contact (Zoom: Update billing information).
    static let updateBillingInformation = SandboxEndpoint(
        title: "Update billing information", method: .patch, paths: ["/v2/accounts/{accountId}/billing"],
        access: .accessToken(
            anyOf: ["billing:master", "billing_plan:master", "billing:update:billing_information:master"],
            label: .heavy),
        behaviour: .write(
            SandboxChange { account, body throws(SandboxRefusal) in
                try account.refuseSelfPay()
                guard !account.plans.isFree else {
                    throw .slot(200, "Please subscribe a plan for this sub account first.")
                }
                try account.setContact(body)
                return HTTPResponse(status: 204)
            }))
}

extension SandboxAccountDraft {
    private static let fields = [
        "address", "apt", "city", "country", "email", "employee_count", "first_name", "last_name", "phone_number",
        "state", "zip",
    ]

    private static let employeeCounts: Set<String> = [
        "", "Just Me", "2-10", "11-50", "51-250", "251-500", "501-1000", "1001-5000", "5001-10000", "10001+",
    ]

    /// Sets the fields of the contact that the body has. Zoom documents no errors of fields other than country and state.
    fileprivate mutating func setContact(_ body: SandboxWriteBody) throws(SandboxRefusal) {
        var invalid: [(name: String, message: String)] = []
        for name in Self.fields {
            guard let value = body[name] else { continue }
            if let text = value.string, Self.isValid(name, text) {
                contact[name] = text
            } else {
                invalid.append((name, "Invalid field."))
            }
        }
        guard invalid.isEmpty else { throw .fields(invalid) }
        if body["country"] != nil, !SandboxPlace.isCountry(country) {
            throw .billing("Invalid country parameter: \(country).")
        }
        if body["country"] != nil || body["state"] != nil, !SandboxPlace.isState(state, in: country) {
            throw .billing("Invalid state parameter: \(state).")
        }
    }

    private static func isValid(_ name: String, _ text: String) -> Bool {
        switch name {
        case "email": isEmail(text)
        case "employee_count": employeeCounts.contains(text)
        case _: true
        }
    }

    static func isEmail(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty } && !text.contains(" ")
    }
}
