import Adapters
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// The file of a download. It has a random name in the same folder until the download is complete.
///
/// All functions block.
struct DownloadFile: Sendable {
    private let path: String
    private let overwrites: Bool
    private let temporary: String
    private let descriptor: CInt

    /// Creates the file under its random name.
    ///
    /// - Parameter overwrites: Whether to replace an existing file.
    init(_ path: String, overwrites: Bool) throws(FileProblem) {
        try Self.check(path, overwrites: overwrites)
        self.path = path
        self.overwrites = overwrites
        let folder = SystemText.parent(ofPath: path)
        temporary = (folder == "/" ? "" : folder) + "/.billing-service-" + RandomToken.make() + ".partial"
        descriptor = open(
            SystemText.cString(of: temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileProblem(path: folder, code: errno) }
    }

    /// Checks that a file with this name can be created or replaced, before anything is requested for it.
    static func check(_ path: String, overwrites: Bool) throws(FileProblem) {
        var status = stat()
        guard lstat(SystemText.cString(of: path), &status) == 0 else {
            let code = errno
            guard code == ENOENT else { throw FileProblem(path: path, code: code) }
            let folder = SystemText.parent(ofPath: path)
            guard access(SystemText.cString(of: folder), W_OK | X_OK) == 0 else {
                throw FileProblem(path: folder, code: errno)
            }
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            guard overwrites else { throw FileProblem(path: path, reason: "already exists; --overwrite replaces it") }
        case S_IFDIR: throw FileProblem(path: path, reason: "is a directory: name a file in it")
        case S_IFLNK: throw FileProblem(path: path, reason: "is a symbolic link: name a file")
        case _: throw FileProblem(path: path, reason: "is not a regular file; --output - writes to standard output")
        }
    }

    func append(_ bytes: ByteBuffer) throws(FileProblem) {
        var rest = Array(bytes.readableBytesView)[...]
        while !rest.isEmpty {
            let chunk = Array(rest)
            let count = write(descriptor, chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileProblem(path: path, code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// Gives the complete file its name, and closes it.
    ///
    /// - Throws: `FileProblem`; `discard()` must follow.
    func finish() throws(FileProblem) {
        guard fsync(descriptor) == 0 else { throw FileProblem(path: path, code: errno) }
        let (source, target) = (SystemText.cString(of: temporary), SystemText.cString(of: path))
        if overwrites {
            guard rename(source, target) == 0 else { throw FileProblem(path: path, code: errno) }
        } else if link(source, target) == 0 {
            unlink(source)
        } else {
            let code = errno
            var status = stat()
            guard code != EEXIST, lstat(target, &status) != 0 else {
                throw FileProblem(path: path, reason: "appeared during the download; nothing was changed")
            }
            // The file system does not support hard links.
            guard rename(source, target) == 0 else { throw FileProblem(path: path, code: errno) }
        }
        close(descriptor)
    }

    /// Removes and closes the incomplete file.
    func discard() {
        unlink(SystemText.cString(of: temporary))
        close(descriptor)
    }
}
