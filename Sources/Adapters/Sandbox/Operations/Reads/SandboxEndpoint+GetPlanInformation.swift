extension SandboxEndpoint {
    /// The plans of an account (Zoom: Get plan information). A free account has none.
    static let getPlanInformation = SandboxEndpoint(
        title: "Get plan information", method: .get, paths: ["/v2/accounts/{accountId}/plans"],
        access: .accessToken(
            anyOf: ["billing:master", "billing:read:plan_information:master", "billing:read:plan_information:admin"],
            label: .medium),
        behaviour: .immediate { sandbox, call in
            sandbox.response(forMasterPaid: call.account) { number in
                SandboxResponse.json(status: 200) { object in
                    sandbox.plans(of: number).write(
                        .information, nextInvoice: sandbox.nextInvoiceDate(of: number), to: &object)
                }
            }
        })
}
