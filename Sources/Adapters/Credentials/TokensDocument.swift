import Domain
import NIOCore

/// The content of the token file: the access tokens that replicas share. Its schema is in `docs/files.md`.
struct TokensDocument: FileDocument, Sendable, Equatable {
    /// Identifies the app of a token. A token stays valid when the app's secret changes, but not when its client id does.
    struct Owner: Sendable, Hashable {
        let accountID: AccountID
        let clientID: String

        init(_ credentials: MasterCredentials) {
            accountID = credentials.accountID
            clientID = credentials.clientID
        }

        fileprivate init(accountID: AccountID, clientID: String) {
            self.accountID = accountID
            self.clientID = clientID
        }
    }

    var tokens: [Owner: AccessToken] = [:]

    init() {}

    private static let members: Set<String> = [
        "account_id", "client_id", "access_token", "scope", "expires_at", "secret_digest",
    ]

    init(parsing bytes: [UInt8]) throws(DocumentProblem) {
        for (index, value) in try JSONValue.document(bytes, array: "tokens").enumerated() {
            let object = try StrictObject(value, at: "token \(index + 1)", members: Self.members)
            let owner = Owner(
                accountID: try object.required("account_id", as: "the id of an account") {
                    $0.string.flatMap(AccountID.init)
                },
                clientID: try object.required("client_id", as: "a string") { $0.string })
            let scopes = try object.member("scope", as: "scopes separated by spaces") { value in
                value.string.map { Set($0.split(separator: " ").map(String.init)) }
            }
            let token = AccessToken(
                text: Secret(
                    try object.required("access_token", as: "a string of visible ASCII characters") {
                        $0.string.flatMap { text in
                            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? text : nil
                        }
                    }),
                scopes: scopes,
                expires: try object.required("expires_at", as: "a time like 2026-01-31T12:00:00Z") {
                    $0.string.flatMap(Timestamp.init(rfc3339:))
                },
                secretDigest: try object.member("secret_digest", as: "hexadecimal digits") {
                    $0.string.flatMap(SHA256Digest.init(hexadecimal:))?.bytes
                })
            guard tokens.updateValue(token, forKey: owner) == nil else {
                throw object.problem("duplicate token of the same app")
            }
        }
    }

    var text: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeDocument("tokens", tokens.sorted { $0.key.clientID < $1.key.clientID }) { buffer, entry in
            buffer.writeJSONObject { object in
                object.member("account_id", entry.key.accountID.rawValue)
                object.member("client_id", entry.key.clientID)
                object.member("access_token", String(decoding: entry.value.text.bytes, as: UTF8.self))
                if let scopes = entry.value.scopes {
                    object.member("scope", scopes.sorted().joined(separator: " "))
                }
                object.member("expires_at", entry.value.expires.rfc3339)
                if let digest = entry.value.secretDigest {
                    object.member("secret_digest", Hexadecimal.encode(digest))
                }
            }
        }
        return Array(buffer.readableBytesView)
    }
}
