import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A file that is its owner's affair, like the keys of SSH: what others could have read or written is not taken, unless
/// somebody said that it may be.
package struct PrivateFile: Sendable, Hashable {
    package let path: String

    /// Takes it as it is, as from a secret mounted by Kubernetes.
    package let mayBeShared: Bool

    /// Far above any of ours; a larger file is not one of ours.
    private static let bytesMax = 1_048_576

    package init(path: String, mayBeShared: Bool = false) {
        self.path = path
        self.mayBeShared = mayBeShared
    }

    /// What changes when a file does, or when another takes its place.
    package struct Stamp: Sendable, Equatable {
        private let device: UInt
        private let inode: UInt
        private let size: Int
        private let times: [Int]

        /// Whether whatever is written from now on changes the stamp: times of files advance in steps, and two writes
        /// within one look like one.
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

    /// `nil` while it is not there.
    package var stamp: Stamp? {
        var status = stat()
        return stat(path, &status) == 0 ? Stamp(status) : nil
    }

    package func read() throws(FileProblem) -> [UInt8] {
        try readWithStatus().bytes
    }

    /// What there is, and whose it is.
    func readWithStatus() throws(FileProblem) -> (bytes: [UInt8], status: stat) {
        // Not blocking: a pipe must not hold us up before it is seen to be one.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw problem(code: errno) }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw problem(code: errno) }
        try check(status)
        var data: Data
        do {
            data = try handle.read(upToCount: Self.bytesMax + 1) ?? Data()
        } catch {
            throw problem("cannot be read")
        }
        defer { data.resetBytes(in: data.startIndex..<data.endIndex) }
        guard data.count <= Self.bytesMax else { throw problem("larger than \(Self.bytesMax) bytes") }
        return (Array(data), status)
    }

    private func check(_ status: stat) throws(FileProblem) {
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

    /// Whoever may write to a folder may put another file in the place of ours.
    private func checkFolder() throws(FileProblem) {
        let folder = URL(filePath: path).resolvingSymlinksInPath().deletingLastPathComponent().path()
        var status = stat()
        guard stat(folder, &status) == 0 else { throw problem(code: errno) }
        guard status.st_mode & S_IWOTH == 0 || status.st_mode & S_ISVTX != 0 else {
            throw problem(
                "everybody may write to its folder: the mode of \(folder) is 0\(String(status.st_mode & 0o7777, radix: 8)) "
                    + "and its owner \(owner(status.st_uid)); run chmod o-w \(folder), or allow it with "
                    + "--allow-shared-file")
        }
    }

    private func owner(_ id: uid_t) -> String {
        let name = getpwuid(id).map { String(cString: $0.pointee.pw_name) }
        return name.map { "\($0) (\(id))" } ?? "\(id)"
    }

    func problem(_ reason: String) -> FileProblem { FileProblem(path: path, reason: reason) }

    func problem(code: CInt) -> FileProblem { FileProblem(path: path, code: code) }
}
