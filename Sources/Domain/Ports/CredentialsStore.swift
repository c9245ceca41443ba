/// Where the credentials of the master accounts are kept.
package protocol CredentialsStore: Sendable {
    /// The credentials as they are now: whoever asks has none, or was just refused with those it had.
    ///
    /// - Throws: `credentialsRefused` if there are none of that name that can be used.
    func credentials(of master: Name) async throws(BillingFailure) -> MasterCredentials
}
