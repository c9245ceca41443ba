/// Who knows which sub accounts a master account has.
package protocol SubAccountDirectory: Sendable {
    /// Every sub account, in no particular order; one may come twice.
    ///
    /// - Throws: as `ContactSource`.
    func subAccounts() async throws(BillingFailure) -> [AccountID]
}
