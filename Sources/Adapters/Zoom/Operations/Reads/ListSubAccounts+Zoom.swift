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
        of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        try await perform(.listSubAccounts(request), under: master, for: purpose)
    }
}

extension ZoomCall<SubAccountPage> {
    /// The largest page size (Zoom: List sub accounts).
    private static var pageSizeMax: Int { 300 }

    static func listSubAccounts(_ request: SubAccountPageRequest) -> ZoomCall {
        var query = [(name: "page_size", value: "\(request.size ?? pageSizeMax)")]
        if let reseller = request.filter.reseller { query.append(("sub_reseller_id", reseller)) }
        let isFirst: Bool
        switch request.start {
        case .token(let token):
            query.append(("next_page_token", token))
            isFirst = false
        case .number(let number):
            isFirst = number == 1
            // Zoom is withdrawing this parameter, and its default is 1.
            if !isFirst { query.append(("page_number", "\(number)")) }
        }
        return ZoomCall(
            ZoomRequest(.listSubAccounts, query: query),
            interpret: { failure in
                // Zoom answers so to an expired page token (Zoom: Pagination). No other parameter can be wrong.
                if case .api(_, 300, _, _) = failure, !isFirst { .invalid([]) } else { nil }
            },
            read: { answer, _ throws(ZoomFailure) in try SubAccountPage(zoom: try answer.object()) })
    }
}

extension SubAccountPage {
    /// - Throws: `unreadable`, also for a page with one account without a valid id: an export that silently lacks that
    ///   account would look complete.
    package init(zoom object: JSONObject) throws(ZoomFailure) {
        guard let entries = object["accounts"]?.array else { throw .unreadable }
        var accounts: [SubAccount] = []
        accounts.reserveCapacity(entries.count)
        for entry in entries {
            guard let account = entry.object, let text = account["id"]?.text, let id = AccountID(text) else {
                throw .unreadable
            }
            accounts.append(SubAccount(id: id, record: account.document))
        }
        let token = object["next_page_token"]?.string
        self.init(
            accounts: accounts, next: token.flatMap { $0.isEmpty ? nil : $0 }, total: object["total_records"]?.integer)
    }
}
