import NIOCore

extension SandboxEndpoint {
    /// The sub accounts in pages (Zoom: List sub accounts, Pagination).
    static let listSubAccounts = SandboxEndpoint(
        title: "List sub accounts", method: .get, paths: ["/v2/accounts"],
        access: .accessToken(
            anyOf: ["account:master", "account:read:admin", "account:read:list_sub_accounts:master"], label: .medium),
        behaviour: .immediate { sandbox, call in
            do throws(PageRequest.Problem) {
                return page(try PageRequest(call.query, sandbox.pageTokens), of: sandbox)
            } catch {
                return error.response
            }
        })

    private struct PageRequest {
        enum Problem: Error {
            case repeated
            case invalid(String)

            var response: HTTPResponse {
                switch self {
                case .repeated: SandboxResponse.error(400, 300, "Validation Failed.")
                case .invalid(let name): SandboxResponse.error(400, 300, "Invalid parameter \"\(name)\".")
                }
            }
        }

        let size: Int

        /// The position of the first account of the page.
        let start: Int

        /// Returns only accounts of this reseller; `nil` for all.
        let reseller: String?

        init(_ query: [String: String]?, _ tokens: SandboxPageTokens) throws(Problem) {
            guard let query else { throw .repeated }
            // Zoom does not document the behaviour above 300. The sandbox uses 300.
            size = min(max(try Self.number("page_size", query) ?? 30, 1), 300)
            reseller = query["sub_reseller_id"].flatMap { $0.isEmpty ? nil : $0 }
            let number = try Self.number("page_number", query) ?? 1
            if let token = query["next_page_token"], !token.isEmpty {
                // A token is valid for the parameters of the first request.
                guard let offset = tokens.offset(of: token, parameters: "\(size) \(reseller ?? "")") else {
                    throw .invalid("next_page_token")
                }
                start = offset
            } else {
                guard (1...1_000_000_000).contains(number) else { throw .invalid("page_number") }
                start = (number - 1) * size
            }
        }

        private static func number(_ name: String, _ query: [String: String]) throws(Problem) -> Int? {
            guard let text = query[name], !text.isEmpty else { return nil }
            guard let number = Int(text) else { throw .invalid(name) }
            return number
        }

        func nextToken(_ offset: Int, _ tokens: SandboxPageTokens) -> String {
            tokens.token(for: offset, parameters: "\(size) \(reseller ?? "")")
        }
    }

    private static func page(_ request: PageRequest, of sandbox: SandboxZoom) -> HTTPResponse {
        let accounts = sandbox.accounts
        let selection = accounts.selection(reseller: request.reseller)
        let count = selection.count
        let size = request.size
        let start = min(request.start, count)
        let end = min(start + size, count)
        return SandboxResponse.json(status: 200) { object in
            object.member("page_count", (count + size - 1) / size)
            object.member("page_number", start / size + 1)
            object.member("page_size", size)
            object.member("total_records", count)
            object.member("next_page_token", end < count ? request.nextToken(end, sandbox.pageTokens) : "")
            object.member("accounts") { buffer in
                buffer.writeJSONArray(start..<end) { buffer, position in
                    buffer.writeJSONObject { write(selection.number(at: position), sandbox, to: &$0) }
                }
            }
        }
    }

    private static func write(_ number: Int, _ sandbox: SandboxZoom, to object: inout JSONMemberWriter) {
        let accounts = sandbox.accounts
        let kind = accounts.kind(of: number)
        object.member("id", accounts.id(of: number))
        object.member("account_name", accounts.name(number))
        if kind != .missingMembers { object.member("account_number", String(100_000_000 + number)) }
        object.member("owner_email", accounts.ownerEmail(number))
        let isFree = sandbox.isFree(number)
        object.member("account_type", isFree ? "Basic" : "Business")
        object.member("seats", isFree ? 1 : sandbox.seats(of: number))
        if kind == .nullMembers {
            object.member("subscription_start_time") { $0.writeString("null") }
            object.member("subscription_end_time") { $0.writeString("null") }
        } else {
            // Zoom writes an absent date as an empty string.
            object.member("subscription_start_time", isFree ? "" : "2026-02-01T00:00:00Z")
            object.member("subscription_end_time", isFree ? "" : "2027-01-31T00:00:00Z")
        }
        if kind == .additionalMembers { object.member("account_level", "enterprise") }
        object.member("created_at", "\(accounts.created(number).text)T09:00:00Z")
    }
}
