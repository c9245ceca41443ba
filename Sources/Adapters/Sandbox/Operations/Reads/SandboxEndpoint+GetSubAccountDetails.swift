import NIOCore

extension SandboxEndpoint {
    /// The details of an account, with its billing mode as `pay_mode` (Zoom: Get sub account details).
    static let getSubAccountDetails = SandboxEndpoint(
        title: "Get sub account details", method: .get, paths: ["/v2/accounts/{accountId}"],
        access: .accessToken(
            anyOf: ["account:master", "account:read:sub_account:master", "account:read:sub_account:admin"],
            label: .light),
        behaviour: .immediate { sandbox, call in
            sandbox.response(for: call.account) { number in
                details(call.account, number, sandbox.accounts)
            }
        })

    private static func details(_ id: String, _ number: Int, _ accounts: SandboxAccounts) -> HTTPResponse {
        let kind = accounts.kind(of: number)
        return SandboxResponse.json(status: 200) { object in
            object.member("id", id)
            object.member("owner_id", accounts.ownerID(number))
            object.member("owner_email", accounts.ownerEmail(number))
            object.member("created_at", "\(accounts.created(number).text)T09:00:00Z")
            object.member("vanity_url", "")
            if kind == .additionalMembers { object.member("data_center", "EU") }
            if kind == .missingMembers { return }
            object.member("options") { buffer in
                buffer.writeJSONObject { options in
                    options.member("share_rc", false)
                    options.member("share_mc", number.isMultiple(of: 4))
                    if number.isMultiple(of: 4) {
                        options.member("room_connector_list") { $0.writeString(#"["198.51.100.7"]"#) }
                        options.member("meeting_connector_list") { $0.writeString("[]") }
                    }
                    // Zoom's default is `master`.
                    if kind != .nullMembers { options.member("pay_mode", kind == .selfPay ? "sub" : "master") }
                    options.member("billing_auto_renew", true)
                }
            }
        }
    }
}
