import Adapters
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// The file of an export: `NAME.partial` until the export is complete, then `NAME`. `NAME.partial.state` is its checkpoint:
/// bytes of the partial file after the checkpoint are written again when the export is resumed.
///
/// The writing process holds a record lock (fcntl(2), F_SETLK) on the partial file. The kernel releases it however the
/// process ends, names the process that holds it, and keeps it with the file when the file is renamed.
///
/// All functions block.
struct ExportFile: Sendable {
    enum Opening {
        case ready(ExportFile)
        /// The file is already complete and was not changed. `isRecorded` is false if its options could not be compared.
        case finished(isRecorded: Bool)
    }

    /// Another process is writing this export. The process id is nil if it runs in another container.
    struct InUse: Error, CustomStringConvertible {
        let path: String
        let processID: Int32?

        var description: String {
            let writer = processID.map { "process \($0)" } ?? "a process in another container"
            return "\(path): \(writer) is writing this export; nothing was changed"
        }
    }

    private let path: String

    /// The descriptor of the partial file, which stays open and locked until the program ends.
    private let descriptor: CInt

    /// Whether this process has created the partial file.
    private let isNew: Bool

    /// The progress that survives the process.
    private var checkpoint: ExportCheckpoint

    /// The progress of all that was appended.
    private(set) var position: ExportCheckpoint

    /// Whether the partial file ends at `position`, where the next bytes are written.
    private var isPositioned = false

    /// Whether the export can be resumed.
    var hasCheckpoint: Bool { checkpoint.bytes > 0 }

    private var partial: String { Self.partial(path) }

    private static func partial(_ path: String) -> String { path + ".partial" }
    private static func state(_ path: String) -> String { path + ".partial.state" }
    private static func newState(_ path: String) -> String { path + ".partial.state.new" }

    // MARK: Opening

    /// Takes the lock and reads the checkpoint. Existing files are not changed.
    ///
    /// - Parameters:
    ///   - resumes: Whether to continue an interrupted export.
    ///   - format: The expected format of a complete file.
    ///   - sharesOwners: Whether the partial file may belong to another user.
    /// - Throws: `InUse`, `FileProblem`.
    static func open(
        _ path: String, resumes: Bool, identity: ExportIdentity, format: ExportEncoding, sharesOwners: Bool
    ) throws -> Opening {
        // Detects a name that is too long for the checkpoint before the first page is fetched.
        if lstatus(newState(path)) == nil, errno != ENOENT { throw FileProblem(path: newState(path), code: errno) }
        while true {
            if let opening = try attempt(path, resumes, identity, format, sharesOwners) { return opening }
        }
    }

    /// - Returns: nil if another process renamed or removed the partial file meanwhile. The caller then tries again.
    private static func attempt(
        _ path: String, _ resumes: Bool, _ identity: ExportIdentity, _ format: ExportEncoding, _ sharesOwners: Bool
    ) throws -> Opening? {
        let partial = partial(path)
        var isNew = false
        var descriptor = Glibc.open(SystemText.cString(of: partial), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if descriptor < 0, errno == ENOENT {
            if lstatus(path) != nil { return try openExisting(path, resumes, identity, format) }
            isNew = true
            descriptor = Glibc.open(
                SystemText.cString(of: partial), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
            if descriptor < 0, errno == EEXIST { return nil }
        }
        guard descriptor >= 0 else {
            throw errno == ELOOP
                ? FileProblem(path: partial, reason: "is a symbolic link: remove it")
                : FileProblem(path: partial, code: errno)
        }
        var isKept = false
        defer { if !isKept { close(descriptor) } }
        var own = stat()
        guard fstat(descriptor, &own) == 0 else { throw FileProblem(path: partial, code: errno) }
        guard own.st_mode & S_IFMT == S_IFREG else { throw FileProblem(path: partial, reason: "is not a regular file") }
        // Another user with access to the folder could have created a file that others can read.
        guard isNew || sharesOwners || own.st_uid == geteuid() else {
            throw FileProblem(
                path: partial,
                reason: "belongs to user \(own.st_uid), and this program runs as \(geteuid()): remove it, or allow it "
                    + "with --allow-shared-file")
        }
        guard try lock(descriptor, path) else { return nil }
        guard let named = lstatus(partial), isSame(named, own) else { return nil }
        if let output = lstatus(path) {
            // The process that completed the export was killed after it had linked the final name.
            if isSame(output, own) {
                unlink(SystemText.cString(of: partial))
                unlink(SystemText.cString(of: state(path)))
                return try openExisting(path, resumes, identity, format)
            }
            if isNew {
                unlink(SystemText.cString(of: partial))
                return nil
            }
            throw FileProblem(
                path: path,
                reason: "already exists, and so does an unfinished export to it, \(partial): move one of them")
        }
        let checkpoint: ExportCheckpoint
        do {
            checkpoint = try self.checkpoint(
                path, resumes: resumes && !isNew, identity, size: own.st_size)
        } catch {
            if isNew { unlink(SystemText.cString(of: partial)) }
            throw error
        }
        isKept = true
        return .ready(
            ExportFile(
                path: path, descriptor: descriptor, isNew: isNew, checkpoint: checkpoint, position: checkpoint))
    }

    /// The checkpoint to start from.
    private static func checkpoint(
        _ path: String, resumes: Bool, _ identity: ExportIdentity, size: Int
    ) throws(FileProblem) -> ExportCheckpoint {
        let state = state(path)
        guard resumes, lstatus(state) != nil else { return ExportCheckpoint(identity: identity) }
        let bytes = try PrivateFile(path: state, mayBeShared: true).read()
        guard let checkpoint = ExportCheckpoint(parsing: bytes) else {
            throw FileProblem(
                path: state,
                reason: "is not a checkpoint of this version: begin again without --resume")
        }
        if let difference = identity.difference(from: checkpoint.identity) {
            throw FileProblem(
                path: partial(path),
                reason: "was begun with \(difference): resume it with the same, or begin again without --resume")
        }
        guard size >= checkpoint.bytes else {
            throw FileProblem(
                path: partial(path), reason: "is shorter than its checkpoint: begin again without --resume")
        }
        return checkpoint
    }

    /// - Returns: false if the lock was released meanwhile.
    private static func lock(_ descriptor: CInt, _ path: String) throws -> Bool {
        var request = flock()
        request.l_type = Int16(F_WRLCK)
        request.l_whence = Int16(SEEK_SET)
        if fcntl(descriptor, F_SETLK, &request) == 0 { return true }
        guard errno == EACCES || errno == EAGAIN else {
            throw FileProblem(path: partial(path), reason: "cannot be locked: \(String(cString: strerror(errno)))")
        }
        guard fcntl(descriptor, F_GETLK, &request) == 0, request.l_type != Int16(F_UNLCK) else { return false }
        throw InUse(path: path, processID: request.l_pid > 0 ? request.l_pid : nil)
    }

    // MARK: An existing file

    /// The extended attribute with the identity of a complete export.
    private static let attribute = "user.billing-service.export"

    private static func openExisting(
        _ path: String, _ resumes: Bool, _ identity: ExportIdentity, _ format: ExportEncoding
    ) throws(FileProblem) -> Opening {
        var status = stat()
        guard stat(SystemText.cString(of: path), &status) == 0 else { throw FileProblem(path: path, code: errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw FileProblem(path: path, reason: "is a directory: name a file in it")
        case _: throw FileProblem(path: path, reason: "is not a regular file; --output - writes to standard output")
        }
        guard resumes else { throw FileProblem(path: path, reason: "already exists; nothing was changed") }
        if let recorded = recordedIdentity(of: path) {
            if let difference = identity.difference(from: recorded) {
                throw FileProblem(
                    path: path,
                    reason:
                        "is already complete, but was exported with \(difference): move it, or name another --output")
            }
            unlink(SystemText.cString(of: state(path)))
            return .finished(isRecorded: true)
        }
        // The file system has no extended attributes, or the file is a copy.
        guard format.begins(try firstBytes(of: path)) else {
            throw FileProblem(
                path: path,
                reason: "already exists, and is not an export in this format: move it, or name another --output")
        }
        unlink(SystemText.cString(of: state(path)))
        return .finished(isRecorded: false)
    }

    private static func recordedIdentity(of path: String) -> ExportIdentity? {
        guard let bytes = ExtendedAttribute.read(attribute, of: path) else { return nil }
        return (try? JSONValue(parsing: bytes))?.object.flatMap { ExportIdentity($0) }
    }

    private static func firstBytes(of path: String) throws(FileProblem) -> [UInt8] {
        let descriptor = Glibc.open(SystemText.cString(of: path), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileProblem(path: path, code: errno) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw FileProblem(path: path, code: errno) }
        return Array(bytes[..<count])
    }

    private static func lstatus(_ path: String) -> stat? {
        var status = stat()
        return lstat(SystemText.cString(of: path), &status) == 0 ? status : nil
    }

    private static func isSame(_ one: stat, _ other: stat) -> Bool {
        (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    }

    // MARK: Writing

    /// Appends bytes, which are not durable before `commit()`.
    ///
    /// - Parameter next: The progress after these bytes.
    mutating func append(_ bytes: ByteBuffer, _ next: ExportCheckpoint) throws(FileProblem) {
        if !isPositioned {
            // The first bytes replace an earlier attempt, which could be resumed until now.
            if checkpoint.bytes == 0 { unlink(SystemText.cString(of: Self.state(path))) }
            guard ftruncate(descriptor, position.bytes) == 0, lseek(descriptor, position.bytes, SEEK_SET) >= 0 else {
                throw FileProblem(path: partial, code: errno)
            }
            isPositioned = true
        }
        try Self.write(bytes, to: descriptor, partial)
        position = next
    }

    /// Makes the appended bytes durable, then stores the checkpoint. If the process ends in between, resuming writes the
    /// bytes again.
    mutating func commit() throws(FileProblem) {
        guard position != checkpoint else { return }
        guard fsync(descriptor) == 0 else { throw FileProblem(path: partial, code: errno) }
        try writeState(position)
        checkpoint = position
    }

    /// Removes the bytes that were appended after `earlier`. The checkpoint comes first: it must not count bytes that are
    /// removed.
    mutating func revert(to earlier: ExportCheckpoint) throws(FileProblem) {
        if checkpoint.bytes > earlier.bytes {
            try writeState(earlier)
            checkpoint = earlier
        }
        position = earlier
        isPositioned = false
    }

    private func writeState(_ next: ExportCheckpoint) throws(FileProblem) {
        let temporary = Self.newState(path)
        let target = Self.state(path)
        // The file may be left by a killed process or created by another user, so it is removed and not opened.
        unlink(SystemText.cString(of: temporary))
        let descriptor = Glibc.open(
            SystemText.cString(of: temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileProblem(path: temporary, code: errno) }
        do throws(FileProblem) {
            defer { close(descriptor) }
            try Self.write(next.text, to: descriptor, temporary)
            guard fsync(descriptor) == 0 else { throw FileProblem(path: temporary, code: errno) }
        } catch {
            unlink(SystemText.cString(of: temporary))
            throw error
        }
        guard rename(SystemText.cString(of: temporary), SystemText.cString(of: target)) == 0 else {
            throw FileProblem(path: target, code: errno)
        }
        try syncFolder()
    }

    private static func write(_ bytes: ByteBuffer, to descriptor: CInt, _ path: String) throws(FileProblem) {
        if let code = DescriptorOutput.write(bytes, to: descriptor) { throw FileProblem(path: path, code: code) }
    }

    /// Synchronizes the directory, so that a rename is durable.
    private func syncFolder() throws(FileProblem) {
        let bytes = Array(path.utf8)
        let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
        let folder =
            switch slash {
            case nil: "."
            case 0: "/"
            case let index?: String(decoding: bytes[..<index], as: UTF8.self)
            }
        let descriptor = Glibc.open(SystemText.cString(of: folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileProblem(path: folder, code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileProblem(path: folder, code: errno) }
    }

    // MARK: Completion

    /// Renames the complete file, unless a file with that name has appeared meanwhile.
    func finish() throws(FileProblem) {
        // An earlier attempt may have written accounts after the checkpoint that have vanished since.
        var status = stat()
        guard fstat(descriptor, &status) == 0,
            status.st_size == position.bytes
                || (ftruncate(descriptor, position.bytes) == 0 && fsync(descriptor) == 0)
        else { throw FileProblem(path: partial, code: errno) }
        var record = ByteBuffer()
        record.writeJSONObject { checkpoint.identity.write(to: &$0) }
        // Not all file systems support extended attributes. Without them, a later --resume cannot compare the options.
        _ = ExtendedAttribute.write(Array(record.readableBytesView), to: Self.attribute, of: partial)
        if link(SystemText.cString(of: partial), SystemText.cString(of: path)) == 0 {
            unlink(SystemText.cString(of: partial))
        } else {
            guard errno != EEXIST else {
                throw FileProblem(
                    path: path,
                    reason: "appeared during the export; move it and resume: the export is complete in \(partial)"
                )
            }
            // The file system does not support hard links.
            guard Self.lstatus(path) == nil, rename(SystemText.cString(of: partial), SystemText.cString(of: path)) == 0
            else {
                throw FileProblem(path: path, code: errno)
            }
        }
        unlink(SystemText.cString(of: Self.state(path)))
        try syncFolder()
    }

    /// Removes the partial file after a failure, if this process created it and it has no checkpoint to resume from. May be
    /// called on a copy from before the first page, and more than once.
    func discardIfEmpty() {
        var own = stat()
        guard isNew, fstat(descriptor, &own) == 0, own.st_nlink > 0 else { return }
        if own.st_size == 0 || Self.lstatus(Self.state(path)) == nil { unlink(SystemText.cString(of: partial)) }
    }
}
