import Domain

extension ZoomEndpoint {
    /// The owner and the options of one sub account (Zoom: Get sub account details).
    static let getSubAccountDetails = ZoomEndpoint(
        .getSubAccountDetails, .get, "/accounts/{accountId}", rateLabel: .light,
        scopes: [
            "account:master", "account:write:admin", "account:read:sub_account:master",
            "account:read:sub_account:admin",
        ],
        answerBody: .object,
        // The details take less than 2 KiB.
        answerBytesMax: 256 * 1024)
}
