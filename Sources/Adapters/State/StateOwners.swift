import CSQLite

#if canImport(Glibc)
    import Glibc
#endif

/// The processes that use a state file, each with a lock on one byte of a file beside it.
///
/// The lock is that of an open file description (fcntl(2)). The kernel releases it when the process ends, however it ends, so
/// nothing waits for a lease to expire. The position of the byte is the id of the owner, and random: no two owners share one,
/// and an id is not used again. The file stays empty.
///
/// The locks are not in the database itself: closing any descriptor of that file would release the locks of SQLite.
final class StateOwners {
    /// The id of this owner.
    let own: Int64
    private let path: String
    private let descriptor: CInt

    /// - Parameter path: Created with mode 0600 if there is no file.
    init(path: String) throws(FileProblem) {
        self.path = path
        descriptor = open(SystemText.cString(of: path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileProblem(path: path, code: errno) }
        own = Int64.random(in: 1..<1 << 62)
        var lock = Self.lock(of: own)
        guard fcntl(descriptor, shim_F_OFD_SETLK, &lock) == 0 else {
            let code = errno
            close(descriptor)
            throw FileProblem(path: path, reason: "cannot be locked: \(FileProblem(path: path, code: code).reason)")
        }
    }

    deinit {
        // Closing is not enough if a child process has been forked and has not called exec yet: it shares the lock.
        var lock = Self.lock(of: own)
        lock.l_type = Int16(F_UNLCK)
        _ = fcntl(descriptor, shim_F_OFD_SETLK, &lock)
        close(descriptor)
    }

    /// Whether the process of an owner still runs. An answer that the system cannot give counts as yes.
    func lives(_ owner: Int64) -> Bool {
        if owner == own { return true }
        var lock = Self.lock(of: owner)
        guard fcntl(descriptor, shim_F_OFD_GETLK, &lock) == 0 else { return true }
        return lock.l_type != F_UNLCK
    }

    /// Whether any process uses the state file or stores answers. False if there is no file of owners.
    static func areAny(path: String) -> Bool {
        let descriptor = open(SystemText.cString(of: path), O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return areAny(descriptor)
    }

    /// - Parameter descriptor: A descriptor of the file of owners. Its own locks do not count.
    static func areAny(_ descriptor: CInt) -> Bool {
        // All bytes of the file, also those that it does not have.
        var lock = AnswersLock.lock(bytes: 0)
        guard fcntl(descriptor, shim_F_OFD_GETLK, &lock) == 0 else { return true }
        return lock.l_type != F_UNLCK
    }

    /// Runs `body` while no other process opens the state file. Blocks until then.
    func whileOpening<Value>(_ body: () throws(FileProblem) -> Value) throws(FileProblem) -> Value {
        try PrivateFile.lock(descriptor, of: path, waitMax: PrivateFile.lockWaitMax)
        defer { flock(descriptor, LOCK_UN) }
        return try body()
    }

    private static func lock(of owner: Int64) -> flock {
        var lock = Glibc.flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = off_t(owner)
        lock.l_len = 1
        return lock
    }
}
