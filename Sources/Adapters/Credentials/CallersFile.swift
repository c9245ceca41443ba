/// The callers in a file.
package struct CallersFile: Sendable {
    package let file: PrivateFile

    package init(_ file: PrivateFile) {
        self.file = file
    }

    package func read() throws(FileProblem) -> CallersDocument {
        try parse(try file.read())
    }

    /// Changes what is in the file, or begins a first one.
    package func update(_ change: (inout CallersDocument) throws(FileProblem) -> Void) throws(FileProblem) {
        try file.update { bytes throws(FileProblem) in
            var document = try bytes.map { bytes throws(FileProblem) in try parse(bytes) } ?? CallersDocument()
            try change(&document)
            return document.text
        }
    }

    private func parse(_ bytes: [UInt8]) throws(FileProblem) -> CallersDocument {
        do throws(DocumentProblem) {
            return try CallersDocument(parsing: bytes)
        } catch {
            throw file.problem("\(error)")
        }
    }
}
