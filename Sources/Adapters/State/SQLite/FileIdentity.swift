#if canImport(Glibc)
    import Glibc
#endif

/// Identifies a file, also after it was renamed.
struct FileIdentity: Equatable {
    private let device: UInt
    private let inode: UInt

    init(_ status: stat) {
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }

    /// The file at a path; `nil` if there is none.
    init?(at path: String) {
        var status = stat()
        guard stat(SystemText.cString(of: path), &status) == 0 else { return nil }
        self.init(status)
    }
}
