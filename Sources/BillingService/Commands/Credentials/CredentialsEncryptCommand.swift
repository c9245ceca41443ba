import Adapters
import ArgumentParser

struct CredentialsEncryptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encrypt",
        abstract: "Encrypt the credentials file (AES-256-GCM), or re-encrypt it with another key.",
        discussion: """
            credentials.key-file contains the keys, one per line, with 64 hexadecimal digits each. The first key encrypts, \
            and all keys decrypt. --new-key creates a key and puts it first, and creates the key file if it does not exist. \
            A running service that uses the key file needs no restart.

            Alternatively, BILLING_CREDENTIALS_KEY contains one key.
            """)

    @Flag(name: .customLong("new-key"), help: "Create a key, and put it first in the key file.")
    var makesKey = false

    @OptionGroup var fileFlags: CredentialsFileFlags

    func run() async throws {
        let (file, keyFile) = try await fileFlags.files()
        var made = ""
        if makesKey {
            guard let keyFile else {
                throw ConfigurationProblem(lines: ["\(Settings.credentials.keyFile.key): is required for --new-key"])
            }
            // Fails before a key is created if the file cannot be encrypted.
            _ = try (keyFile.stamp == nil ? CredentialsFile(file.file) : file).read()
            let key = try SealingKeys.add(to: keyFile)
            made = "created the key \(key.id), now the first in \(keyFile.path)\n"
        }
        let id: String
        do throws(FileProblem) {
            id = try file.encrypt()
        } catch {
            Output.writeError(made)
            throw error
        }
        try Output.confirm("\(made)encrypted \(file.file.path) with the key \(id)")
    }
}
