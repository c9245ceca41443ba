/// The master accounts in a file, in plain JSON or sealed.
package struct CredentialsFile: Sendable {
    package let file: PrivateFile
    private let keys: SealingKeys

    package init(_ file: PrivateFile, keys: SealingKeys = .none) {
        self.file = file
        self.keys = keys
    }

    /// All files that are read.
    package var files: [PrivateFile] {
        if case .file(let keyFile) = keys { [file, keyFile] } else { [file] }
    }

    package func read() throws(FileProblem) -> CredentialsDocument {
        // The file before its keys: a new key is there before anything is sealed with it.
        var bytes = try file.read()
        defer { cleanse(&bytes) }
        return try parse(bytes, try keys.read())
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
        try file.update { bytes throws(FileProblem) in
            let keys = try keys.read()
            var document =
                try bytes.map { bytes throws(FileProblem) in try parse(bytes, keys) } ?? CredentialsDocument()
            try change(&document)
            let isSealed = bytes.map(SealedFormat.isSealed) ?? true
            guard isSealed, let key = keys.first else { return document.text }
            return SealedFormat.seal(document.text, with: key)
        }
    }

    /// Seals the file, plain or sealed with whichever key, with the first of the keys.
    ///
    /// - Returns: The id of that key.
    package func encrypt() throws(FileProblem) -> String {
        var id = ""
        try file.update { bytes throws(FileProblem) in
            guard let bytes else { throw file.problem("no such file") }
            let keys = try keys.read()
            guard let key = keys.first else { throw file.problem("there is no key to encrypt it with") }
            id = key.id
            return SealedFormat.seal(try parse(bytes, keys).text, with: key)
        }
        return id
    }

    private func parse(_ bytes: [UInt8], _ keys: [SealingKey]) throws(FileProblem) -> CredentialsDocument {
        do throws(DocumentProblem) {
            guard SealedFormat.isSealed(bytes) else { return try CredentialsDocument(parsing: bytes) }
            var opened = try SealedFormat.open(bytes, with: keys)
            defer { cleanse(&opened) }
            return try CredentialsDocument(parsing: opened)
        } catch {
            throw file.problem("\(error)")
        }
    }
}
