import Adapters

/// A new token of a caller. Only its digest is stored.
struct NewToken {
    private let text = CallerToken.make()

    var digest: SHA256Digest { SHA256Digest(of: text) }

    /// Writes the token to standard output, for `TOKEN=$(billing-service callers add …)`.
    ///
    /// - Throws: `FileProblem` if the write fails: a token that was not shown must not become valid.
    func show() throws(FileProblem) {
        do throws(OutputProblem) {
            try Output.writeDurably(text + "\n")
        } catch {
            throw FileProblem(path: "the token could not be shown, and nothing was changed", reason: "\(error)")
        }
    }
}
