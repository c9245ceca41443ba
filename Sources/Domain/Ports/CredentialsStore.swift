/// Where the credentials of the master account are kept.
package protocol CredentialsStore: Sendable {
    /// The credentials as they are now.
    ///
    /// - Throws: `credentialsRefused` if there are none that can be used.
    func masterCredentials() async throws(BillingFailure) -> MasterCredentials
}
