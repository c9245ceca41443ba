import Adapters
import Foundation
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
        /// The file is complete; nothing was touched. `isRecorded` says whether its options are known to be the same.
        case finished(isRecorded: Bool)
    }

    /// Another process writes this export; its process id where the kernel knows it in this container.
    struct InUse: Error, CustomStringConvertible {
        let path: String
        let processID: Int32?

        var description: String {
            let writer = processID.map { "process \($0)" } ?? "a process that cannot be seen from here"
            return "\(path): \(writer) is writing this export; nothing was changed"
        }
    }

    private let path: String

    /// Of the partial file, which stays open and locked until the program ends.
    private let descriptor: CInt

    /// Whether this process has created the partial file.
    private let isNew: Bool

    private(set) var checkpoint: ExportCheckpoint

    private var partial: String { Self.partial(path) }

    private static func partial(_ path: String) -> String { path + ".partial" }
    private static func state(_ path: String) -> String { path + ".partial.state" }
    private static func newState(_ path: String) -> String { path + ".partial.state.new" }

    // MARK: Opening

    /// Takes the lock and finds out where the export stands. Nothing that was there before is changed.
    ///
    /// - Parameters:
    ///   - resumes: Continues an export that was interrupted, if there is one.
    ///   - format: What a complete file looks like.
    ///   - sharesOwners: Takes a partial file that belongs to another user.
    /// - Throws: `InUse`, `FileProblem`.
    static func open(
        _ path: String, resumes: Bool, identity: ExportIdentity, format: ExportEncoding, sharesOwners: Bool
    ) throws -> Opening {
        // Otherwise a name that is too long for the checkpoint would be noticed after the first page.
        if lstatus(newState(path)) == nil, errno != ENOENT { throw FileProblem(path: newState(path), code: errno) }
        while true {
            if let opening = try attempt(path, resumes, identity, format, sharesOwners) { return opening }
        }
    }

    /// nil if another process has renamed or removed the partial file meanwhile: then the attempt is repeated.
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
                ? FileProblem(path: partial, reason: "a symbolic link: remove it")
                : FileProblem(path: partial, code: errno)
        }
        var isKept = false
        defer { if !isKept { close(descriptor) } }
        var own = stat()
        guard fstat(descriptor, &own) == 0 else { throw FileProblem(path: partial, code: errno) }
        guard own.st_mode & S_IFMT == S_IFREG else { throw FileProblem(path: partial, reason: "not a regular file") }
        // Who may write to the folder could have put a file there that others read.
        guard isNew || sharesOwners || own.st_uid == geteuid() else {
            throw FileProblem(
                path: partial,
                reason: "belongs to user \(own.st_uid), and this program runs as \(geteuid()): remove it, or allow it "
                    + "with --allow-shared-file")
        }
        guard try lock(descriptor, path) else { return nil }
        guard let named = lstatus(partial), isSame(named, own) else { return nil }
        if let output = lstatus(path) {
            // The process that finished it was killed between giving it its name and removing the other names.
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
                path: path, reason: "there already, and so is an unfinished export to it, \(partial): move one of them")
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
        return .ready(ExportFile(path: path, descriptor: descriptor, isNew: isNew, checkpoint: checkpoint))
    }

    /// Where to start from.
    private static func checkpoint(
        _ path: String, resumes: Bool, _ identity: ExportIdentity, size: Int
    ) throws(FileProblem) -> ExportCheckpoint {
        let state = state(path)
        guard resumes, lstatus(state) != nil else { return ExportCheckpoint(identity: identity) }
        let bytes = try PrivateFile(path: state, mayBeShared: true).read()
        guard let checkpoint = ExportCheckpoint(parsing: bytes) else {
            throw FileProblem(
                path: state,
                reason: "is not a checkpoint of this version; begin again without --resume")
        }
        if let difference = identity.difference(from: checkpoint.identity) {
            throw FileProblem(
                path: partial(path),
                reason: "begun with \(difference): resume it as it was begun, or begin again without --resume")
        }
        guard size >= checkpoint.bytes else {
            throw FileProblem(
                path: partial(path), reason: "shorter than its checkpoint says; begin again without --resume")
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

    // MARK: A file that is there

    /// The attribute of a complete file that says what export it is of.
    private static let attribute = "user.billing-service.export"

    /// Foundation's key for extended attributes, for which it has no constant.
    private static let attributes = FileAttributeKey(rawValue: "NSFileExtendedAttributes")

    private static func openExisting(
        _ path: String, _ resumes: Bool, _ identity: ExportIdentity, _ format: ExportEncoding
    ) throws(FileProblem) -> Opening {
        var status = stat()
        guard stat(SystemText.cString(of: path), &status) == 0 else { throw FileProblem(path: path, code: errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw FileProblem(path: path, reason: "a folder: name a file in it")
        case _: throw FileProblem(path: path, reason: "not a regular file; --output - writes to standard output")
        }
        guard resumes else { throw FileProblem(path: path, reason: "there already; nothing was changed") }
        if let recorded = recordedIdentity(of: path) {
            if let difference = identity.difference(from: recorded) {
                throw FileProblem(
                    path: path,
                    reason: "complete already, but exported with \(difference); move it, or name another --output")
            }
            unlink(SystemText.cString(of: state(path)))
            return .finished(isRecorded: true)
        }
        // The file system has no extended attributes, or the file is a copy.
        guard format.begins(try firstBytes(of: path)) else {
            throw FileProblem(
                path: path, reason: "there already, and no export in this format; move it, or name another --output")
        }
        unlink(SystemText.cString(of: state(path)))
        return .finished(isRecorded: false)
    }

    private static func recordedIdentity(of path: String) -> ExportIdentity? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)[attributes] as? [String: Data]
        guard let bytes = attributes?[attribute] else { return nil }
        return (try? JSONValue(parsing: Array(bytes)))?.object.flatMap { ExportIdentity($0) }
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

    /// Adds bytes and the checkpoint that counts them. If the process ends in between, resuming writes them again.
    mutating func append(_ bytes: ByteBuffer, _ next: ExportCheckpoint) throws(FileProblem) {
        // A first page replaces an earlier attempt; until now that could still have been resumed.
        if checkpoint.bytes == 0 { unlink(SystemText.cString(of: Self.state(path))) }
        guard ftruncate(descriptor, checkpoint.bytes) == 0, lseek(descriptor, checkpoint.bytes, SEEK_SET) >= 0 else {
            throw FileProblem(path: partial, code: errno)
        }
        try Self.write(bytes, to: descriptor, partial)
        guard fsync(descriptor) == 0 else { throw FileProblem(path: partial, code: errno) }
        try writeState(next)
        checkpoint = next
    }

    private func writeState(_ next: ExportCheckpoint) throws(FileProblem) {
        let temporary = Self.newState(path)
        let target = Self.state(path)
        // Left by a process that was killed, or put there by another user: never written through.
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
        var rest = Array(bytes.readableBytesView)[...]
        while !rest.isEmpty {
            let chunk = Array(rest.prefix(1 << 20))
            let count = Glibc.write(descriptor, chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileProblem(path: path, code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// Makes a rename durable.
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

    // MARK: Ending

    /// Gives the complete file its name, unless a file of that name has appeared meanwhile.
    func finish() throws(FileProblem) {
        var record = ByteBuffer()
        record.writeJSONObject { checkpoint.identity.write(to: &$0) }
        // Not every file system has extended attributes. Without them a later --resume cannot compare the options.
        try? FileManager.default.setAttributes(
            [Self.attributes: [Self.attribute: Data(record.readableBytesView)]], ofItemAtPath: partial)
        if link(SystemText.cString(of: partial), SystemText.cString(of: path)) == 0 {
            unlink(SystemText.cString(of: partial))
        } else {
            guard errno != EEXIST else {
                throw FileProblem(
                    path: path,
                    reason: "appeared during the export; move it and resume: the export is complete in \(partial)"
                )
            }
            // No hard links on this file system.
            guard Self.lstatus(path) == nil, rename(SystemText.cString(of: partial), SystemText.cString(of: path)) == 0
            else {
                throw FileProblem(path: path, code: errno)
            }
        }
        unlink(SystemText.cString(of: Self.state(path)))
        try syncFolder()
    }

    /// After a failure: removes the partial file if this process has created it and nothing was written.
    func discardIfEmpty() {
        if isNew, checkpoint.bytes == 0 { unlink(SystemText.cString(of: partial)) }
    }
}
