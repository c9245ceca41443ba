import Foundation

#if canImport(Glibc)
    import Glibc
#endif

extension PrivateFile {
    /// Puts a changed file in the place of the one that is there, or a first one where there is none, for nobody but its
    /// owner to read. Whoever reads, whenever, and whatever becomes of this program or its machine meanwhile, finds the
    /// old file or the new one whole. One program at a time: another waits.
    ///
    /// A link is followed, and what it leads to is replaced. Mode and owner stay what they are.
    ///
    /// - Parameter change: Gets what there is, `nil` if there is no file. What it throws leaves everything as it is.
    package func update(_ change: ([UInt8]?) throws(FileProblem) -> [UInt8]) throws(FileProblem) {
        let target = try followed()
        let folder = URL(filePath: target).deletingLastPathComponent().path()
        let folderDescriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderDescriptor >= 0 else { throw FileProblem(path: folder, code: errno) }
        // Which also gives the lock back.
        defer { close(folderDescriptor) }
        while flock(folderDescriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw FileProblem(path: folder, code: errno) }
        }
        let old = access(target, F_OK) == 0 ? try readWithStatus() : nil
        var bytes = try change(old?.bytes)
        defer { cleanse(&bytes) }

        // Whoever holds the lock is the only one to use this name: one that is there was left by a program that died.
        let temporary = folder + "/." + URL(filePath: target).lastPathComponent + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileProblem(path: temporary, code: errno) }
        do throws(FileProblem) {
            let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            try write(bytes, to: handle, like: old?.status)
            guard rename(temporary, target) == 0 else { throw FileProblem(path: target, code: errno) }
        } catch {
            unlink(temporary)
            throw error
        }
        guard fsync(folderDescriptor) == 0 else { throw FileProblem(path: folder, code: errno) }
    }

    private func write(_ bytes: [UInt8], to handle: FileHandle, like old: stat?) throws(FileProblem) {
        var data = Data(bytes)
        defer { data.resetBytes(in: data.startIndex..<data.endIndex) }
        do {
            try handle.write(contentsOf: data)
        } catch {
            throw problem(
                "cannot be written: \((error as? CocoaError)?.code == .fileWriteOutOfSpace ? "no space left" : "the file system refuses it")"
            )
        }
        let descriptor = handle.fileDescriptor
        if let old {
            if old.st_uid != geteuid() || old.st_gid != getegid() {
                guard fchown(descriptor, old.st_uid, old.st_gid) == 0 else {
                    throw problem("its owner and group could not be kept: run this as its owner")
                }
            }
            guard fchmod(descriptor, old.st_mode & 0o777) == 0 else { throw problem(code: errno) }
        }
        guard fsync(descriptor) == 0 else { throw problem(code: errno) }
    }

    /// Where the links of the path lead, the file there or not.
    private func followed() throws(FileProblem) -> String {
        if let whole = Self.realPath(path) { return whole }
        let url = URL(filePath: path)
        var status = stat()
        guard lstat(path, &status) != 0, !path.hasSuffix("/") else {
            throw problem("a link that leads nowhere, or a folder")
        }
        let parent = url.deletingLastPathComponent().path()
        guard let folder = Self.realPath(parent) else { throw FileProblem(path: parent, reason: "no such folder") }
        return (folder == "/" ? "" : folder) + "/" + url.lastPathComponent
    }

    private static func realPath(_ path: String) -> String? {
        guard let text = realpath(path, nil) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }
}
