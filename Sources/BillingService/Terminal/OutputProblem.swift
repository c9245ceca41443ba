#if canImport(Glibc)
    import Glibc
#endif

/// A write to standard output failed.
struct OutputProblem: Error, CustomStringConvertible {
    /// The `errno` of the failed call.
    let code: CInt

    /// Whether the reader has closed the pipe, as in `billing-service settings | head -1`.
    var isReaderGone: Bool { code == EPIPE }

    var description: String { "standard output cannot be written: \(String(cString: strerror(code)))" }
}
