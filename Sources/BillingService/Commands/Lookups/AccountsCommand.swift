import Adapters
import ArgumentParser
import Domain
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

struct AccountsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accounts", abstract: "List the sub accounts, or show one.",
        discussion: """
            The list is printed as it arrives. With --json it has one JSON object per line.

            \(LookupFlags.discussion)
            """)

    @Argument(help: "The id of a sub account, to show its details instead of the list.")
    var account: AccountID?

    @Option(help: "Maximum number of sub accounts to list (default: all).")
    var limit: Int?

    @OptionGroup var flags: LookupFlags

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is less than 1") }
        if account != nil, limit != nil {
            throw ValidationError("--limit is for the list: omit it, or the id of the sub account")
        }
    }

    func run() async throws {
        if let account {
            return try await flags.printAnswer(to: .account(account)) { answer, columnsMax in
                ObjectTable(answer.members).text(columnsMax: columnsMax)
            }
        }
        try await flags.withClient { [limit, json = flags.json, noCache = flags.noCache] client in
            try await Self.list(from: client, limit: limit ?? .max, isJSON: json, isUncached: noCache)
        }
    }

    /// Zoom's maximum for `page_size`.
    private static let pageSizeMax = 300

    private static func list(
        from client: ServiceClient, limit: Int, isJSON: Bool, isUncached: Bool
    ) async throws {
        var table = table
        var tokens: Set<String> = []
        var pageToken: String?
        var left = limit
        repeat {
            let request = ServiceRequest.accounts(pageSize: min(limit, pageSizeMax), pageToken: pageToken)
            let page = try await client.object(isUncached ? request.uncached : request).object
            let accounts = (page["accounts"]?.array ?? []).prefix(left)
            left -= accounts.count
            if isJSON {
                try await Output.writeResult(
                    accounts.map { String(decoding: $0.serialized, as: UTF8.self) + "\n" }.joined())
            } else {
                for account in accounts { table.add(account.object?.members ?? []) }
                try await Output.writeResult(
                    table.takeText(columnsMax: TerminalDisplay.columns(of: STDOUT_FILENO)))
            }
            pageToken = page["next_page_token"]?.string.flatMap { $0.isEmpty ? nil : $0 }
            if let pageToken, !tokens.insert(pageToken).inserted { throw client.endlessList }
        } while pageToken != nil && left > 0
    }

    private static var table: MemberTable {
        MemberTable([
            .init(title: "ID", name: "id", content: .identifier), .init(title: "NAME", name: "account_name"),
            .init(title: "OWNER", name: "owner_email"), .init(title: "TYPE", name: "account_type"),
            .init(title: "SEATS", name: "seats", content: .number),
            .init(title: "NUMBER", name: "account_number", content: .identifier),
            .init(title: "START", name: "subscription_start_time", content: .identifier),
            .init(title: "END", name: "subscription_end_time", content: .identifier),
            .init(title: "CREATED", name: "created_at", content: .identifier),
        ])
    }
}
