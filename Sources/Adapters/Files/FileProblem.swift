#if canImport(Glibc)
    import Glibc
#endif

/// A file cannot be used. Says which and why, and never what is in it.
package struct FileProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package let path: String
    package let reason: String

    package init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    /// - Parameter code: `errno`, as the failed call left it.
    package init(path: String, code: CInt) {
        let reason =
            switch code {
            case ENOENT: "no such file"
            case EACCES, EPERM: "may not be read or written by this program's user"
            case EISDIR: "a folder, not a file"
            case ENOSPC, EDQUOT, EFBIG: "no space left"
            default: String(cString: strerror(code))
            }
        self.init(path: path, reason: reason)
    }

    package var description: String { "\(path): \(reason)" }
}
