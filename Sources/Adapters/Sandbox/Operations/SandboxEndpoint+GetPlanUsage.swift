extension SandboxEndpoint {
    /// The usage of the plans of an account (Zoom: Get plan usage).
    static let getPlanUsage = SandboxEndpoint(
        title: "Get plan usage", method: .get, path: "/v2/accounts/{accountId}/plans/usage",
        access: .accessToken(
            anyOf: ["billing:master", "account:master", "billing:read:plan_usage:master"], label: .heavy),
        behaviour: .immediate { sandbox, call in sandbox.response(forMasterPaid: call.account, usage) })

    private static func usage(_ number: Int) -> HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            object.member("plan_base") { buffer in
                buffer.writeJSONObject { plan in
                    plan.member("type", "business_yearly")
                    plan.member("hosts", 10 + number % 40)
                    plan.member("usage", number % 10)
                    plan.member("pending", 0)
                }
            }
        }
    }
}
