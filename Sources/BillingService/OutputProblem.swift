#if canImport(Glibc)
    import Glibc
#endif

/// Standard output does not take what is written to it.
struct OutputProblem: Error, CustomStringConvertible {
    /// `errno`, as the failed call left it.
    let code: CInt

    /// Nobody reads the pipe any more, as with `billing-service settings | head -1`.
    var isReaderGone: Bool { code == EPIPE }

    var description: String { "standard output cannot be written: \(String(cString: strerror(code)))" }

    /// What a shell reports for a program that SIGPIPE has ended: 128 + 13.
    static let readerGoneStatus: Int32 = 141
}
