/// Where replicas put the access tokens they have obtained, for all of them to use. Nothing depends on it: whoever finds
/// none there obtains one.
package protocol SharedTokens: Sendable {
    /// The one that was put there last.
    func token(for credentials: MasterCredentials) -> AccessToken?

    func put(_ token: AccessToken, for credentials: MasterCredentials)
}
