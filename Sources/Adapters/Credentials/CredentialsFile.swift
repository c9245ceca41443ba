/// Reads and changes the credentials file, which is plain JSON or encrypted.
package struct CredentialsFile: Sendable {
    package let file: PrivateFile
    private let content: SealedFile<CredentialsDocument>

    package init(_ file: PrivateFile, keys: SealingKeys = .none) {
        self.file = file
        content = SealedFile(file, keys: keys)
    }

    /// All files that `read` reads: the file, and the key file if there is one.
    package var files: [PrivateFile] { content.files }

    package func read() throws(FileProblem) -> CredentialsDocument {
        try content.read()
    }

    /// The id of the key that the file is encrypted with; `nil` if the file is plain JSON.
    package func sealingKeyID() throws(FileProblem) -> String? {
        let bytes = try file.read()
        do throws(DocumentProblem) {
            return try SealedFormat.keyID(of: bytes)
        } catch {
            throw file.problem("\(error)")
        }
    }

    /// Changes the content. Creates the file if it does not exist.
    ///
    /// The result is encrypted if there is a key and the file was encrypted or is new.
    package func update(_ change: (inout CredentialsDocument) throws(FileProblem) -> Void) throws(FileProblem) {
        try content.update(change)
    }

    /// Encrypts the file, whether it is plain or already encrypted, with the first key.
    ///
    /// - Returns: The id of the first key.
    package func encrypt() throws(FileProblem) -> String {
        try content.encrypt()
    }
}
