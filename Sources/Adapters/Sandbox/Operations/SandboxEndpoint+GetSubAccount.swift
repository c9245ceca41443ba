extension SandboxEndpoint {
    /// The details of an account, with its billing mode as `pay_mode` (Zoom: Get sub account details).
    static let getSubAccount = SandboxEndpoint(
        title: "Get sub account details", method: .get, path: "/v2/accounts/{accountId}",
        access: .accessToken(anyOf: ["account:master", "account:read:sub_account:master"], label: .light),
        behaviour: .immediate { sandbox, call in
            sandbox.response(for: call.account) { number in
                details(call.account, number, isSelfPay: sandbox.accounts.isSelfPay(number))
            }
        })

    private static func details(_ id: String, _ number: Int, isSelfPay: Bool) -> HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            object.member("id", id)
            object.member("owner_id", "owner-\(number)")
            object.member("owner_email", "owner-\(number)@example.com")
            object.member("created_at", "2024-02-01T09:00:00Z")
            object.member("vanity_url", "")
            object.member("options") { buffer in
                buffer.writeJSONObject { options in
                    options.member("share_rc", false)
                    options.member("share_mc", false)
                    options.member("pay_mode", isSelfPay ? "sub" : "master")
                    options.member("billing_auto_renew", true)
                }
            }
        }
    }
}
