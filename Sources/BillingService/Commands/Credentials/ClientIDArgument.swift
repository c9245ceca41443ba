import Adapters
import ArgumentParser

/// Parses the client id of an app.
enum ClientIDArgument {
    static func parse(_ text: String) throws -> String {
        guard CredentialsDocument.isClientID(text) else {
            throw ValidationError("It must be \(CredentialsDocument.plainText) without a colon.")
        }
        return text
    }
}
