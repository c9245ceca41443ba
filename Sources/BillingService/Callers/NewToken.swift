import Adapters

/// A token for a caller, whole here and nowhere else: the file gets its digest.
struct NewToken {
    private let text = CallerToken.make()

    var digest: SHA256Digest { SHA256Digest(of: text) }

    /// Writes it, once, alone to standard output, so that `TOKEN=$(billing-service callers add …)` has it.
    ///
    /// - Throws: For an output that does not take it: a token that nobody has seen must not come into effect.
    func show() throws(FileProblem) {
        do throws(OutputProblem) {
            try Output.writeDurably(text + "\n")
        } catch {
            throw FileProblem(path: "the token could not be shown, and nothing was changed", reason: "\(error)")
        }
    }
}
