#if canImport(Glibc)
    import Glibc
#endif

/// A file that only its owner may access, like the private keys of SSH. Unless sharing is allowed, a file that other users
/// can read or write is refused.
package struct PrivateFile: Sendable, Hashable {
    /// In the form of `SystemText`.
    package let path: String

    /// Skips the check of owner and mode, as needed for a secret mounted by Kubernetes.
    package let mayBeShared: Bool

    /// Maximum size in bytes, for reading and writing.
    package let bytesMax: Int

    /// The usual limit: room for some thousand entries of a few lines each.
    package static let bytesMaxUsual = 1_048_576

    package init(path: String, mayBeShared: Bool = false, bytesMax: Int = bytesMaxUsual) {
        self.path = path
        self.mayBeShared = mayBeShared
        self.bytesMax = bytesMax
    }

    /// The same file with another size limit.
    func limited(to bytesMax: Int) -> PrivateFile {
        PrivateFile(path: path, mayBeShared: mayBeShared, bytesMax: bytesMax)
    }

    /// Identifies the state of a file: changes when the file is written or replaced.
    package struct Stamp: Sendable, Equatable {
        private let device: UInt
        private let inode: UInt
        private let size: Int
        private let times: [Int]

        /// Whether any further write changes the stamp. File times advance in steps, so two writes within one step have the
        /// same stamp.
        package let isSettled: Bool

        fileprivate init(_ status: stat) {
            device = UInt(status.st_dev)
            inode = UInt(status.st_ino)
            size = Int(status.st_size)
            times = [
                status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
            ]
            isSettled = abs(Glibc.time(nil) - status.st_ctim.tv_sec) > 2
        }

        package static func == (left: Stamp, right: Stamp) -> Bool {
            (left.device, left.inode, left.size, left.times) == (right.device, right.inode, right.size, right.times)
        }
    }

    /// `nil` if the file does not exist.
    package var stamp: Stamp? {
        var status = stat()
        return stat(SystemText.cString(of: path), &status) == 0 ? Stamp(status) : nil
    }

    package func read() throws(FileProblem) -> [UInt8] {
        try readWithStatus().bytes
    }

    /// The content, with owner and mode.
    ///
    /// - Parameter other: Opens this file instead of `path`. Errors still name `path`.
    func readWithStatus(at other: String? = nil) throws(FileProblem) -> (bytes: [UInt8], status: stat) {
        // Without O_NONBLOCK, opening a pipe waits for a writer.
        let descriptor = open(SystemText.cString(of: other ?? path), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw problem(code: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw problem(code: errno) }
        try check(status)
        let bytes = try InputFile.read(descriptor, of: path, sizeHint: Int(status.st_size), bytesMax: bytesMax)
        return (bytes, status)
    }

    /// Refuses anything but a regular file, and a file that other users can use.
    func check(_ status: stat) throws(FileProblem) {
        guard status.st_mode & S_IFMT == S_IFREG else { throw problem("not a regular file") }
        guard !mayBeShared else { return }
        let mode = String(status.st_mode & 0o7777, radix: 8)
        let whose = "its mode is 0\(mode) and its owner \(owner(status.st_uid))"
        guard status.st_mode & 0o077 == 0 else {
            throw problem(
                "others than its owner may use it: \(whose); run chmod 600 \(path), or allow it with --allow-shared-file"
            )
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw problem(
                "it belongs to another user: \(whose), and this program runs as \(owner(geteuid())); run chown "
                    + "\(geteuid()) \(path), or allow it with --allow-shared-file")
        }
        try checkFolder()
    }

    /// Refuses a world-writable folder without the sticky bit, in which every user can replace files.
    private func checkFolder() throws(FileProblem) {
        let folder = SystemText.parent(ofPath: Self.realPath(path) ?? path)
        var status = stat()
        guard stat(SystemText.cString(of: folder), &status) == 0 else { throw problem(code: errno) }
        guard status.st_mode & S_IWOTH == 0 || status.st_mode & S_ISVTX != 0 else {
            throw problem(
                "everybody may write to its folder: the mode of \(folder) is 0\(String(status.st_mode & 0o7777, radix: 8)) "
                    + "and its owner \(owner(status.st_uid)); run chmod o-w \(folder), or allow it with "
                    + "--allow-shared-file")
        }
    }

    /// The absolute path without symbolic links; `nil` if the file does not exist.
    static func realPath(_ path: String) -> String? {
        guard let text = realpath(SystemText.cString(of: path), nil) else { return nil }
        defer { free(text) }
        return SystemText.text { text[$0] }
    }

    private func owner(_ id: uid_t) -> String {
        let name = getpwuid(id).map { String(cString: $0.pointee.pw_name) }
        return name.map { "\($0) (\(id))" } ?? "\(id)"
    }

    func problem(_ reason: String) -> FileProblem { FileProblem(path: path, reason: reason) }

    func problem(code: CInt) -> FileProblem { FileProblem(path: path, code: code) }
}
