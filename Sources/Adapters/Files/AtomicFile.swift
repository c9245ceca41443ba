#if canImport(Glibc)
    import Glibc
#endif

extension PrivateFile {
    /// How long to wait for another program that changes a file in the same folder. A change takes milliseconds.
    package static let lockWaitMax = Duration.seconds(20)

    /// Replaces the file by a changed one, or makes a first one that its owner alone can read. At any moment, and after a
    /// crash of this program or its machine, readers find the old file or the new one, whole. Programs that change files
    /// in one folder wait for each other.
    ///
    /// A link is followed, and the file it leads to is replaced. Mode and owner stay the same. Blocks while it waits for
    /// the lock and the disk.
    ///
    /// - Parameters:
    ///   - change: Gets the content, `nil` if there is no file, and returns the new one.
    ///   - check: Reads the new content as a later reader will, and throws what that reader would throw.
    ///   - beforeReplacing: Called when the new file is on the disk and has been read back. Nothing but the replacement
    ///     itself can fail after that.
    /// - Throws: Also what the closures throw. The file has not changed then, unless the folder could not be synced.
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
                "it would have \(bytes.count) bytes, more than the \(bytesMax) that can be read; it was not changed")
        }

        // Only the holder of the lock uses this name: a file that is there was left by a program that died.
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
            // A network file system may report only now that the disk is full.
            guard close(descriptor) == 0 else { throw writeProblem(code: errno) }
            var written = try readWithStatus(at: temporary).bytes
            defer { cleanse(&written) }
            guard written == bytes else { throw problem("the file system does not return what was written to it") }
            try check(written)
            try beforeReplacing()
            guard rename(temporaryName, SystemText.cString(of: target)) == 0 else {
                throw FileProblem(path: target, code: errno)
            }
        } catch {
            unlink(temporaryName)
            throw error
        }
        // Some file systems cannot sync a folder and say EINVAL.
        guard fsync(folderDescriptor) == 0 || errno == EINVAL else { throw FileProblem(path: folder, code: errno) }
    }

    /// Polls, since a wait in `flock` has no deadline.
    private static func lock(_ descriptor: CInt, of folder: String, waitMax: Duration) throws(FileProblem) {
        let deadline = ContinuousClock.now + waitMax
        var microseconds: UInt32 = 500
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw FileProblem(path: folder, code: errno) }
            guard ContinuousClock.now < deadline else {
                throw FileProblem(
                    path: folder, reason: "another program has held the lock of this folder for \(waitMax)")
            }
            usleep(microseconds)
            microseconds = min(microseconds * 2, 20_000)
        }
    }

    private func write(_ bytes: [UInt8], to descriptor: CInt, like old: stat?) throws(FileProblem) {
        var offset = 0
        while offset < bytes.count {
            // The first part alone for a large file, so that little is copied after a short write.
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
                    throw problem("its owner and group could not be kept: run this as its owner")
                }
            }
            guard fchmod(descriptor, old.st_mode & 0o777) == 0 else { throw problem(code: errno) }
        }
        guard fsync(descriptor) == 0 else { throw writeProblem(code: errno) }
    }

    private func writeProblem(code: CInt) -> FileProblem {
        problem("cannot be written: \(FileProblem(path: path, code: code).reason)")
    }

    /// The path without links, whether the file is there or not.
    private func followed() throws(FileProblem) -> String {
        if let whole = Self.realPath(path) { return whole }
        var status = stat()
        guard lstat(SystemText.cString(of: path), &status) != 0, path.utf8.last != UInt8(ascii: "/") else {
            throw problem("a link that leads nowhere, or a folder")
        }
        let parent = SystemText.parent(ofPath: path)
        guard let folder = Self.realPath(parent) else { throw FileProblem(path: parent, reason: "no such folder") }
        return (folder == "/" ? "" : folder) + "/" + SystemText.lastComponent(ofPath: path)
    }
}
