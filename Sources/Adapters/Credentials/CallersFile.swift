/// The callers in a file.
package struct CallersFile: Sendable {
    /// 1.3 million account ids of 22 characters, as ten callers with 130,000 each. Reading such a file takes some 150 MiB
    /// of memory for a moment.
    package static let bytesMax = 32 << 20

    package let file: PrivateFile

    package init(_ file: PrivateFile) {
        self.file = file.limited(to: Self.bytesMax)
    }

    package func read() throws(FileProblem) -> CallersDocument {
        try parse(try file.read())
    }

    /// Changes the callers, or makes a first file.
    ///
    /// - Parameter beforeReplacing: As for `PrivateFile.update`.
    package func update(
        _ change: (inout CallersDocument) throws(FileProblem) -> Void,
        beforeReplacing: () throws(FileProblem) -> Void = {}
    ) throws(FileProblem) {
        try file.update(
            { bytes throws(FileProblem) in
                var document = try bytes.map { bytes throws(FileProblem) in try parse(bytes) } ?? CallersDocument()
                try change(&document)
                return document.text
            }, check: { bytes throws(FileProblem) in _ = try parse(bytes) }, beforeReplacing: beforeReplacing)
    }

    private func parse(_ bytes: [UInt8]) throws(FileProblem) -> CallersDocument {
        do throws(DocumentProblem) {
            return try CallersDocument(parsing: bytes)
        } catch {
            throw file.problem("\(error)")
        }
    }
}
