/// What a file of ours holds.
protocol FileDocument {
    init()
    init(parsing bytes: [UInt8]) throws(DocumentProblem)
    var text: [UInt8] { get }
}

/// A document in a file, in plain JSON or sealed.
struct SealedFile<Document: FileDocument>: Sendable {
    private let file: PrivateFile
    private let keys: SealingKeys

    init(_ file: PrivateFile, keys: SealingKeys) {
        self.file = file
        self.keys = keys
    }

    /// All files that are read.
    var files: [PrivateFile] {
        if case .file(let keyFile) = keys { [file, keyFile] } else { [file] }
    }

    func read() throws(FileProblem) -> Document {
        // The file before its keys: a new key is there before anything is sealed with it.
        var bytes = try file.read()
        defer { cleanse(&bytes) }
        return try parse(bytes, try keys.read())
    }

    /// Changes what is in the file, or begins a first one: sealed if there is a key and the file was sealed or is new.
    ///
    /// - Parameter beginsAnew: What cannot be read is as good as nothing.
    func update(
        beginsAnew: Bool = false, _ change: (inout Document) throws(FileProblem) -> Void
    ) throws(FileProblem) {
        try file.update(
            { bytes throws(FileProblem) in
                let keys = try keys.read()
                var document = Document()
                do throws(FileProblem) {
                    if let bytes { document = try parse(bytes, keys) }
                } catch {
                    guard beginsAnew else { throw error }
                }
                try change(&document)
                let isSealed = bytes.map(SealedFormat.isSealed) ?? true
                guard isSealed, let key = keys.first else { return document.text }
                return SealedFormat.seal(document.text, with: key)
            }, check: readBack)
    }

    /// Seals the file, plain or sealed with whichever key, with the first of the keys.
    ///
    /// - Returns: The id of that key.
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

    /// A file that could not be read again must not take the place of one that can.
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
