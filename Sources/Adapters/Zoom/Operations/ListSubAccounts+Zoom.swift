package import Domain

extension ZoomEndpoint {
    /// All sub accounts of a master account, page by page (Zoom: List sub accounts).
    static let listSubAccounts = ZoomEndpoint(
        .listSubAccounts, .get, "/accounts", rateLabel: .medium,
        scopes: ["account:master", "account:read:admin", "account:read:list_sub_accounts:master"],
        answerBody: .object,
        // A page of 300 accounts takes about 100 KiB.
        answerBytesMax: 10 * 1024 * 1024)
}

extension ZoomMasters {
    package func page(
        of master: Name?, _ filter: SubAccountFilter, token: String?, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        try await perform(.listSubAccounts(filter, token: token), under: master, for: purpose)
    }
}

extension ZoomCall<SubAccountPage> {
    /// The largest page size (Zoom: List sub accounts).
    private static var pageSizeMax: Int { 300 }

    static func listSubAccounts(
        _ filter: SubAccountFilter, token: String?, pageSize: Int = pageSizeMax
    ) -> ZoomCall {
        var query = [(name: "page_size", value: "\(pageSize)")]
        if let reseller = filter.reseller { query.append(("sub_reseller_id", reseller)) }
        if let token { query.append(("next_page_token", token)) }
        return ZoomCall(
            ZoomRequest(.listSubAccounts, query: query),
            interpret: { failure in
                // Zoom answers so to an expired page token (Zoom: pagination). No other parameter can be wrong.
                if case .api(_, 300, _, _) = failure, token != nil { .invalid([]) } else { nil }
            },
            read: { answer, _ throws(ZoomFailure) in try SubAccountPage(zoom: try answer.object()) })
    }
}

extension SubAccountPage {
    /// - Throws: `unreadable`, also for a page with one account without a valid id: an export that silently lacks that
    ///   account would look complete.
    package init(zoom object: JSONObject) throws(ZoomFailure) {
        guard let entries = object["accounts"]?.array else { throw .unreadable }
        var accounts: [AccountID] = []
        accounts.reserveCapacity(entries.count)
        for entry in entries {
            guard let text = entry.object?["id"]?.text, let id = AccountID(text) else { throw .unreadable }
            accounts.append(id)
        }
        let token = object["next_page_token"]?.string
        self.init(
            accounts: accounts, next: token.flatMap { $0.isEmpty ? nil : $0 }, total: object["total_records"]?.integer)
    }
}
