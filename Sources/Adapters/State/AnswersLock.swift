import CSQLite

#if canImport(Glibc)
    import Glibc
#endif

/// The right of one process to store answers: a lock on the first byte of the file of `StateOwners`, whose other bytes are
/// those of the processes that use the state file.
///
/// The kernel releases the lock when the process ends.
package final class AnswersLock {
    private let descriptor: CInt

    private init(_ descriptor: CInt) {
        self.descriptor = descriptor
    }

    deinit {
        // Closing is not enough if a child process has been forked and has not called exec yet: it shares the lock.
        var lock = Self.lock(bytes: 1)
        lock.l_type = Int16(F_UNLCK)
        _ = fcntl(descriptor, shim_F_OFD_SETLK, &lock)
        close(descriptor)
    }

    /// Locks the byte if it is free.
    ///
    /// - Parameter path: The state file, without symbolic links.
    /// - Returns: nil if another process has the lock.
    package static func acquire(ofStateFile path: String) throws(FileProblem) -> AnswersLock? {
        let path = path + "-owners"
        let descriptor = open(SystemText.cString(of: path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileProblem(path: path, code: errno) }
        var lock = lock(bytes: 1)
        guard fcntl(descriptor, shim_F_OFD_SETLK, &lock) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EAGAIN || code == EACCES else { throw FileProblem(path: path, code: code) }
            return nil
        }
        return AnswersLock(descriptor)
    }

    /// Runs `body` if no process uses the state file, and none can open it meanwhile.
    ///
    /// - Returns: nil if a process uses it.
    func whileUnused<Value>(ofStateFile path: String, _ body: () throws -> Value) throws -> Value? {
        try PrivateFile.lock(descriptor, of: path + "-owners", waitMax: .seconds(2))
        defer { flock(descriptor, LOCK_UN) }
        return StateOwners.areAny(descriptor) ? nil : try body()
    }

    /// A lock of the first bytes of the file.
    ///
    /// - Parameter bytes: 0 for all bytes.
    static func lock(bytes: off_t) -> flock {
        var lock = Glibc.flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = 0
        lock.l_len = bytes
        return lock
    }
}
