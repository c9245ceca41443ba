#if canImport(Glibc)
    import Glibc
#endif

/// Why a file cannot be used. Never contains the file's content.
package struct FileProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package let path: String
    package let reason: String

    package init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    /// - Parameter code: `errno` of the failed call.
    package init(path: String, code: CInt) {
        let reason =
            switch code {
            case ENOENT: "no such file"
            case EACCES, EPERM: "permission denied"
            case EISDIR: "a folder, not a file"
            case ENOSPC, EDQUOT, EFBIG: "no space left"
            default: String(cString: strerror(code))
            }
        self.init(path: path, reason: reason)
    }

    package var description: String { "\(path): \(reason)" }
}
