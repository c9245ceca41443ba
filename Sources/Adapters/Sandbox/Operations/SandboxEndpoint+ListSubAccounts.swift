extension SandboxEndpoint {
    /// The sub accounts in pages (Zoom: List sub accounts, Pagination).
    static let listSubAccounts = SandboxEndpoint(
        title: "List sub accounts", method: .get, path: "/v2/accounts",
        access: .accessToken(anyOf: ["account:master", "account:read:list_sub_accounts:master"], label: .medium),
        behaviour: .immediate { sandbox, call in
            guard let query = call.query else { return SandboxResponse.error(400, 300, "Validation Failed.") }
            sandbox.count(call.operation)
            // Zoom does not document the behaviour above 300. The sandbox uses 300.
            let pageSize = min(max(query["page_size"].flatMap(Int.init) ?? 30, 1), 300)
            var start = 0
            if let token = query["next_page_token"], !token.isEmpty {
                guard let offset = sandbox.pageTokens.offset(of: token) else {
                    return SandboxResponse.error(400, 300, "Invalid parameter \"next_page_token\".")
                }
                start = min(offset, sandbox.accounts.count)
            }
            return page(of: sandbox, from: start, size: pageSize)
        })

    private static func page(of sandbox: SandboxZoom, from start: Int, size: Int) -> HTTPResponse {
        let accounts = sandbox.accounts
        let end = min(start + size, accounts.count)
        return SandboxResponse.json(status: 200) { object in
            object.member("page_count", (accounts.count + size - 1) / size)
            object.member("page_number", start / size + 1)
            object.member("page_size", size)
            object.member("total_records", accounts.count)
            object.member("next_page_token", end < accounts.count ? sandbox.pageTokens.token(for: end) : "")
            object.member("accounts") { buffer in
                buffer.writeJSONArray(start..<end) { buffer, number in
                    buffer.writeJSONObject { object in
                        object.member("id", accounts.id(of: number))
                        object.member("account_name", "Example account \(number)")
                        object.member("account_number", String(100_000_000 + number))
                        object.member("owner_email", "owner-\(number)@example.com")
                        object.member("account_type", "Business")
                        object.member("seats", 10 + number % 90)
                        object.member("subscription_start_time", "2026-02-01T00:00:00Z")
                        object.member("subscription_end_time", "2027-01-31T00:00:00Z")
                        object.member("created_at", "2024-02-01T09:00:00Z")
                    }
                }
            }
        }
    }
}
