extension SandboxEndpoint {
    /// The usage of the plans of an account (Zoom: Get plan usage).
    static let getPlanUsage = SandboxEndpoint(
        title: "Get plan usage", method: .get, paths: ["/v2/accounts/{accountId}/plans/usage"],
        access: .accessToken(
            anyOf: [
                "billing:master", "account:master", "account:read:admin", "billing:read:plan_usage:master",
                "billing:read:plan_usage:admin",
            ], label: .heavy, account: .subAccountOrMe),
        behaviour: .immediate { sandbox, call in
            sandbox.response(forPaid: call.account) { number in
                SandboxResponse.json(status: 200) { object in
                    sandbox.plans(of: number).write(
                        .usage, nextInvoice: sandbox.nextInvoiceDate(of: number), to: &object)
                }
            }
        })
}
