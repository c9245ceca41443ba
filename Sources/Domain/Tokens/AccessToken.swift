/// What a master account shows the source for an hour or so, instead of its credentials.
package struct AccessToken: Sendable, Equatable {
    package let text: Secret

    /// What it permits; `nil` if that was not said.
    package let scopes: Set<String>?

    package let expires: Timestamp

    package init(text: Secret, scopes: Set<String>?, expires: Timestamp) {
        self.text = text
        self.scopes = scopes
        self.expires = expires
    }
}
