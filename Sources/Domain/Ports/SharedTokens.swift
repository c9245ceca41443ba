/// Shares access tokens between replicas. This is an optimization: a replica that finds no token within some seconds
/// obtains its own.
package protocol SharedTokens: Sendable {
    /// The token stored last.
    func token(for credentials: MasterCredentials) async -> AccessToken?

    func put(_ token: AccessToken, for credentials: MasterCredentials) async
}
