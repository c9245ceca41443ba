/// Reads and changes the callers file.
package struct CallersFile: Sendable {
    /// Room for 1.3 million account ids of 22 characters, such as ten callers with 130,000 ids each. Reading such a file
    /// needs about 150 MiB of memory temporarily.
    package static let bytesMax = 32 << 20

    package let file: PrivateFile

    package init(_ file: PrivateFile) {
        self.file = file.limited(to: Self.bytesMax)
    }

    package func read() throws(FileProblem) -> CallersDocument {
        try parse(try file.read())
    }

    /// Changes the callers. Creates the file if it does not exist.
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
