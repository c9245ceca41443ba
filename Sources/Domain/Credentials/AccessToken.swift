/// An access token of a master account (RFC 6749, 1.4). Zoom's are valid for an hour.
package struct AccessToken: Sendable, Equatable {
    package let text: Secret

    /// The granted scopes; `nil` if the source did not report them.
    package let scopes: Set<String>?

    package let expires: Timestamp

    /// Identifies the client secret with which it was obtained; `nil` if that is not known. It does not reveal the secret.
    package let secretDigest: [UInt8]?

    package init(text: Secret, scopes: Set<String>?, expires: Timestamp, secretDigest: [UInt8]? = nil) {
        self.text = text
        self.scopes = scopes
        self.expires = expires
        self.secretDigest = secretDigest
    }
}
