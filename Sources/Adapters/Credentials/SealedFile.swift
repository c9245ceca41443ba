/// The content of a file that may be encrypted.
protocol FileDocument {
    init()
    init(parsing bytes: [UInt8]) throws(DocumentProblem)
    var text: [UInt8] { get }
}

/// Reads and changes a file that is plain JSON or encrypted.
struct SealedFile<Document: FileDocument>: Sendable {
    private let file: PrivateFile
    private let keys: SealingKeys

    init(_ file: PrivateFile, keys: SealingKeys) {
        self.file = file
        self.keys = keys
    }

    /// All files that `read` reads: the file, and the key file if there is one.
    var files: [PrivateFile] {
        if case .file(let keyFile) = keys { [file, keyFile] } else { [file] }
    }

    func read() throws(FileProblem) -> Document {
        // The file before its keys, since a new key is written before it is used.
        var bytes = try file.read()
        defer { cleanse(&bytes) }
        return try parse(bytes, try keys.read())
    }

    /// Changes the content. Creates the file if it does not exist.
    ///
    /// The result is encrypted if there is a key and the file was encrypted or is new.
    ///
    /// - Parameter replacesUnreadable: Treats a file that cannot be read as empty.
    func update(
        replacesUnreadable: Bool = false, _ change: (inout Document) throws(FileProblem) -> Void
    ) throws(FileProblem) {
        try file.update(
            { bytes throws(FileProblem) in
                let keys = try keys.read()
                var document = Document()
                do throws(FileProblem) {
                    if let bytes { document = try parse(bytes, keys) }
                } catch {
                    guard replacesUnreadable else { throw error }
                }
                try change(&document)
                let isSealed = bytes.map(SealedFormat.isSealed) ?? true
                guard isSealed, let key = keys.first else { return document.text }
                return SealedFormat.seal(document.text, with: key)
            }, check: readBack)
    }

    /// Encrypts the file, whether it is plain or already encrypted, with the first key.
    ///
    /// - Returns: The id of the first key.
    func encrypt() throws(FileProblem) -> String {
        var id = ""
        try file.update(
            { bytes throws(FileProblem) in
                guard let bytes else { throw file.problem("no such file") }
                let keys = try keys.read()
                guard let key = keys.first else { throw file.problem("there is no key to encrypt it with") }
                id = key.id
                return SealedFormat.seal(try parse(bytes, keys).text, with: key)
            }, check: readBack)
        return id
    }

    /// Checks that the new content can be read, before it replaces the old.
    private func readBack(_ bytes: [UInt8]) throws(FileProblem) {
        _ = try parse(bytes, try keys.read())
    }

    private func parse(_ bytes: [UInt8], _ keys: [SealingKey]) throws(FileProblem) -> Document {
        do throws(DocumentProblem) {
            guard SealedFormat.isSealed(bytes) else { return try Document(parsing: bytes) }
            var opened = try SealedFormat.open(bytes, with: keys)
            defer { cleanse(&opened) }
            return try Document(parsing: opened)
        } catch {
            throw file.problem("\(error)")
        }
    }
}
