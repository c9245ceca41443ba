/// Who knows which sub accounts a master account has.
package protocol SubAccountDirectory: Sendable {
    /// Every sub account, in no particular order; one may come twice.
    ///
    /// - Parameter master: As for `ContactSource`.
    /// - Throws: as `ContactSource`.
    func subAccounts(of master: Name?) async throws(BillingFailure) -> [AccountID]
}
