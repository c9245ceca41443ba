import Adapters
import Domain

/// Reads the client secret of an app from the terminal or from standard input.
enum ClientSecret {
    /// Shown instead of a secret.
    static let masked = "********"

    /// - Throws: `CommandFailure`.
    static func read(for name: Name) throws -> Secret {
        let secret: Secret
        do throws(SecretInput.Problem) {
            secret = try SecretInput.read(prompt: "Client secret of \(name): ")
        } catch {
            let reason =
                switch error {
                case .empty: "the client secret is empty: type it, or pass it on standard input"
                case .long: "standard input is longer than a client secret can be"
                case .severalLines: "standard input has more than one line: expected only the client secret"
                case .cancelled: "cancelled: no client secret was read"
                }
            throw CommandFailure(reason)
        }
        guard CredentialsDocument.isPlain(secret.bytes) else {
            throw CommandFailure("the client secret must be \(CredentialsDocument.plainText)")
        }
        return secret
    }
}
