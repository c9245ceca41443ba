/// An access token of a master account (RFC 6749, 1.4). Zoom's are valid for an hour.
package struct AccessToken: Sendable, Equatable {
    package let text: Secret

    /// The granted scopes; `nil` if the source did not report them.
    package let scopes: Set<String>?

    package let expires: Timestamp

    package init(text: Secret, scopes: Set<String>?, expires: Timestamp) {
        self.text = text
        self.scopes = scopes
        self.expires = expires
    }
}
