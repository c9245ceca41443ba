#if canImport(Glibc)
    import Glibc
#endif

extension PrivateFile {
    /// How long to wait for the lock of the folder. Other programs hold it for milliseconds.
    package static let lockWaitMax = Duration.seconds(20)

    /// Replaces the file atomically, or creates it with mode 0600. Readers always find the complete old or the complete new
    /// file, even after a crash of this program or the machine. Programs that change files in the same folder wait for each
    /// other.
    ///
    /// Follows symbolic links and replaces their target. Preserves mode and owner. Blocks while it waits for the lock and
    /// the disk.
    ///
    /// - Parameters:
    ///   - change: Receives the current content, `nil` if there is no file, and returns the new content.
    ///   - check: Parses the new content as later readers will, and throws what they would throw.
    ///   - beforeReplacing: Called when the new file is synced to the disk and was read back. After that, only the rename
    ///     can fail.
    /// - Throws: `FileProblem`, also from the closures. The file is then unchanged, unless syncing the folder failed.
    package func update(
        lockWaitMax: Duration = lockWaitMax, _ change: ([UInt8]?) throws(FileProblem) -> [UInt8],
        check: ([UInt8]) throws(FileProblem) -> Void = { _ in },
        beforeReplacing: () throws(FileProblem) -> Void = {}
    ) throws(FileProblem) {
        let target = try followed()
        let folder = SystemText.parent(ofPath: target)
        let folderDescriptor = open(SystemText.cString(of: folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderDescriptor >= 0 else { throw FileProblem(path: folder, code: errno) }
        // Closing it releases the lock.
        defer { close(folderDescriptor) }
        try Self.lock(folderDescriptor, of: folder, waitMax: lockWaitMax)
        let old = access(SystemText.cString(of: target), F_OK) == 0 ? try readWithStatus() : nil
        var bytes = try change(old?.bytes)
        defer { cleanse(&bytes) }
        guard bytes.count <= bytesMax else {
            throw problem(
                "the new content has \(bytes.count) bytes, more than the limit of \(bytesMax); the file was not changed"
            )
        }

        // Only the holder of the lock uses this name. An existing file was left by a program that was killed.
        let temporary = (folder == "/" ? "" : folder) + "/." + SystemText.lastComponent(ofPath: target) + ".new"
        let temporaryName = SystemText.cString(of: temporary)
        unlink(temporaryName)
        let descriptor = open(temporaryName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileProblem(path: temporary, code: errno) }
        do throws(FileProblem) {
            do throws(FileProblem) {
                try write(bytes, to: descriptor, like: old?.status)
            } catch {
                close(descriptor)
                throw error
            }
            // A network file system may report a full disk only on close.
            guard close(descriptor) == 0 else { throw writeProblem(code: errno) }
            var written = try readWithStatus(at: temporary).bytes
            defer { cleanse(&written) }
            guard written == bytes else { throw problem("the file system returned other content than was written") }
            try check(written)
            try beforeReplacing()
            guard rename(temporaryName, SystemText.cString(of: target)) == 0 else {
                throw FileProblem(path: target, code: errno)
            }
        } catch {
            unlink(temporaryName)
            throw error
        }
        // Some file systems cannot sync a folder and return EINVAL.
        guard fsync(folderDescriptor) == 0 || errno == EINVAL else { throw FileProblem(path: folder, code: errno) }
    }

    /// Polls, since `flock` has no timeout.
    static func lock(_ descriptor: CInt, of path: String, waitMax: Duration) throws(FileProblem) {
        let deadline = ContinuousClock.now + waitMax
        var microseconds: UInt32 = 500
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw FileProblem(path: path, code: errno) }
            guard ContinuousClock.now < deadline else {
                throw FileProblem(path: path, reason: "another program has held its lock for \(waitMax)")
            }
            usleep(microseconds)
            microseconds = min(microseconds * 2, 20_000)
        }
    }

    private func write(_ bytes: [UInt8], to descriptor: CInt, like old: stat?) throws(FileProblem) {
        var offset = 0
        while offset < bytes.count {
            // The whole array without a copy, then a copy of the rest after each short write.
            let count =
                offset == 0
                ? Glibc.write(descriptor, bytes, bytes.count)
                : Glibc.write(descriptor, Array(bytes[offset...]), bytes.count - offset)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw writeProblem(code: errno) }
            offset += count
        }
        if let old {
            if old.st_uid != geteuid() || old.st_gid != getegid() {
                guard fchown(descriptor, old.st_uid, old.st_gid) == 0 else {
                    throw problem("its owner and group cannot be preserved: run this as its owner")
                }
            }
            guard fchmod(descriptor, old.st_mode & 0o777) == 0 else { throw problem(code: errno) }
        }
        guard fsync(descriptor) == 0 else { throw writeProblem(code: errno) }
    }

    private func writeProblem(code: CInt) -> FileProblem {
        problem("cannot be written: \(FileProblem(path: path, code: code).reason)")
    }

    /// The path with symbolic links resolved; the file itself need not exist.
    func followed() throws(FileProblem) -> String {
        if let whole = Self.realPath(path) { return whole }
        var status = stat()
        guard lstat(SystemText.cString(of: path), &status) != 0, path.utf8.last != UInt8(ascii: "/") else {
            throw problem("a dangling symbolic link, or a folder")
        }
        let parent = SystemText.parent(ofPath: path)
        guard let folder = Self.realPath(parent) else { throw FileProblem(path: parent, reason: "no such folder") }
        return (folder == "/" ? "" : folder) + "/" + SystemText.lastComponent(ofPath: path)
    }
}
