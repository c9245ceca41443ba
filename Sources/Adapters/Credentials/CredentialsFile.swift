/// The master accounts in a file, in plain JSON or sealed.
package struct CredentialsFile: Sendable {
    package let file: PrivateFile
    private let content: SealedFile<CredentialsDocument>

    package init(_ file: PrivateFile, keys: SealingKeys = .none) {
        self.file = file
        content = SealedFile(file, keys: keys)
    }

    /// All files that are read.
    package var files: [PrivateFile] { content.files }

    package func read() throws(FileProblem) -> CredentialsDocument {
        try content.read()
    }

    /// The id of the key that the file is sealed with; `nil` for one in plain JSON.
    package func sealingKeyID() throws(FileProblem) -> String? {
        let bytes = try file.read()
        do throws(DocumentProblem) {
            return try SealedFormat.keyID(of: bytes)
        } catch {
            throw file.problem("\(error)")
        }
    }

    /// Changes what is in the file, or begins a first one: sealed if there is a key and the file was sealed or is new.
    package func update(_ change: (inout CredentialsDocument) throws(FileProblem) -> Void) throws(FileProblem) {
        try content.update(change)
    }

    /// Seals the file, plain or sealed with whichever key, with the first of the keys.
    ///
    /// - Returns: The id of that key.
    package func encrypt() throws(FileProblem) -> String {
        try content.encrypt()
    }
}
