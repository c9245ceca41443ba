import Adapters
import Domain

/// The secret of an app, from whoever is at the terminal or before the pipe.
enum ClientSecret {
    /// What is shown of any.
    static let masked = "********"

    /// - Throws: `CommandFailure`.
    static func read(for name: Name) throws -> Secret {
        let secret: Secret
        do throws(SecretInput.Problem) {
            secret = try SecretInput.read(prompt: "Client secret of \(name): ")
        } catch {
            let reason =
                switch error {
                case .empty: "no client secret came: type it, or give it on standard input"
                case .long: "what came on standard input is longer than any client secret"
                case .severalLines: "more than one line came on standard input, where the client secret was expected"
                case .cancelled: "no client secret: it was cancelled"
                }
            throw CommandFailure(reason)
        }
        guard CredentialsDocument.isPlain(secret.bytes) else {
            throw CommandFailure("the client secret must be \(CredentialsDocument.plainText)")
        }
        return secret
    }
}
