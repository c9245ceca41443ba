/// Where replicas share the access tokens they have obtained. Nothing depends on it: a replica that finds none, or gets no
/// answer for some seconds, obtains one.
package protocol SharedTokens: Sendable {
    /// The one that was put there last.
    func token(for credentials: MasterCredentials) async -> AccessToken?

    func put(_ token: AccessToken, for credentials: MasterCredentials) async
}
