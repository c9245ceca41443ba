import Adapters

/// A token for a caller, whole here and nowhere else: the file gets its digest.
struct NewToken {
    private let text = CallerToken.make()

    var digest: SHA256Digest { SHA256Digest(of: text) }

    /// Shows it, once, alone on standard output, so that `TOKEN=$(billing-service callers add …)` has it.
    func show(after message: String) {
        Output.writeError(message + "; its token is not shown again:\n")
        Output.write(text + "\n")
    }
}
