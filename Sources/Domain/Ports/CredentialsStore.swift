/// Stores the credentials of the master accounts.
package protocol CredentialsStore: Sendable {
    /// Reads the current credentials: at first use, and after the source has refused the previous ones.
    ///
    /// - Throws: `credentialsRefused` if there are no usable credentials of that name.
    func credentials(of master: Name) async throws(BillingFailure) -> MasterCredentials
}
