import Adapters
import ArgumentParser

struct CredentialsEncryptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encrypt", abstract: "Encrypt the file (AES-256-GCM), or encrypt it anew with another key.",
        discussion: """
            The keys are in the file of credentials.key-file, one a line, 64 hexadecimal digits each: the first one \
            encrypts, all of them decrypt. With --new-key a key is made and put first, and a key file that is not there \
            yet is made. A running service must know the key file; it needs no restart for another key.

            One key may be in BILLING_CREDENTIALS_KEY instead.
            """)

    @Flag(name: .customLong("new-key"), help: "Make a key, and put it before the others of the key file.")
    var makesKey = false

    @OptionGroup var fileFlags: CredentialsFileFlags

    func run() async throws {
        let (file, keyFile) = try await fileFlags.files()
        var made = ""
        if makesKey {
            guard let keyFile else {
                throw ConfigurationProblem(lines: ["\(Setting.credentialsKeyFile.key): is needed for a new key"])
            }
            // No key is made for a file that it would not encrypt.
            _ = try (keyFile.stamp == nil ? CredentialsFile(file.file) : file).read()
            let key = try SealingKeys.add(to: keyFile)
            made = "made the key \(key.id), the first in \(keyFile.path) now\n"
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
