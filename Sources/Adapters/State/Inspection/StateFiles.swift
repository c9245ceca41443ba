#if canImport(Glibc)
    import Glibc
#endif

/// The files of a service's state, for commands that look at them or change them. The calls block.
package struct StateFiles: Sendable {
    /// A service uses the files, so they were not changed.
    package struct InUse: Error, CustomStringConvertible {
        package let path: String

        package var description: String { "\(path): a service uses it; nothing was changed" }
    }

    private let file: PrivateFile

    /// How long to wait for a service that opens or closes the files.
    private static let busyTimeout = Duration.seconds(5)

    /// - Parameter file: The state file.
    package init(_ file: PrivateFile) {
        self.file = file
    }

    /// The paths of both databases, without symbolic links.
    private func paths() throws(FileProblem) -> (keys: String, answers: String) {
        let keys = try file.followed()
        let answers = PrivateFile(path: AnswersStore.path(ofStateFile: file.path), mayBeShared: file.mayBeShared)
        return (keys, try answers.followed())
    }

    // MARK: Inspecting

    /// What the files have. A service may use them meanwhile.
    package func report() throws(FileProblem) -> StateReport {
        let (keys, answers) = try paths()
        return StateReport(
            keys: StateReport.Keys(path: keys, busyTimeout: Self.busyTimeout),
            answers: StateReport.Answers(path: answers, busyTimeout: Self.busyTimeout),
            setAside: SetAsideFiles(of: answers).paths.map { ($0, AnswersFile.bytes($0)) },
            isInUse: StateOwners.areAny(path: keys + "-owners"))
    }

    /// The path of the state file.
    package var path: String { file.path }

    /// Whether there is a state file, an answers file, or one that was set aside.
    private func areAny() throws(FileProblem) -> Bool {
        let (keys, answers) = try paths()
        return [keys, answers].contains { access(SystemText.cString(of: $0), F_OK) == 0 }
            || !SetAsideFiles(of: answers).paths.isEmpty
    }

    // MARK: Changing

    /// Rewrites both databases without free pages.
    ///
    /// - Returns: Their sizes before and after. Empty if there are none.
    /// - Throws: `InUse`, `FileProblem`.
    package func compact() throws -> [(path: String, before: Int, after: Int)] {
        guard try areAny() else { return [] }
        return try whileUnused { keys, answers in
            try [keys, answers].compactMap { path in
                let before = AnswersFile.bytes(path)
                guard before > 0 else { return nil }
                do throws(SQLiteFailure) {
                    let connection = try SQLiteConnection(path: path, busyTimeout: Self.busyTimeout)
                    _ = try connection.value("PRAGMA wal_checkpoint(TRUNCATE)")
                    try connection.execute("PRAGMA secure_delete = ON; VACUUM")
                    _ = try connection.value("PRAGMA wal_checkpoint(TRUNCATE)")
                } catch {
                    throw FileProblem(path: path, reason: "cannot be compacted: \(error)")
                }
                return (path, before, AnswersFile.bytes(path))
            }
        }
    }

    /// Removes the answers file and the files that were set aside.
    ///
    /// - Parameter includesKeys: Also removes the idempotency keys.
    /// - Returns: The paths of the removed files.
    /// - Throws: `InUse`, `FileProblem`. A state file that is not one of this service is a problem, and nothing is removed.
    package func remove(includesKeys: Bool) throws -> [String] {
        guard try areAny() else { return [] }
        return try whileUnused { keys, answers in
            var databases = [answers] + SetAsideFiles(of: answers).paths
            if includesKeys {
                guard !isForeign(keys) else {
                    throw FileProblem(path: keys, reason: "it is not a file of this service; nothing was removed")
                }
                databases.append(keys)
            }
            var removed: [String] = []
            for path in databases {
                for path in [path] + AnswersFile.otherFiles.map({ path + $0 }) {
                    if unlink(SystemText.cString(of: path)) == 0 {
                        removed.append(path)
                    } else if errno != ENOENT {
                        throw FileProblem(path: path, code: errno)
                    }
                }
            }
            return removed
        }
    }

    /// Whether a file is not a state file. An empty or damaged one may be.
    private func isForeign(_ path: String) -> Bool {
        guard access(SystemText.cString(of: path), F_OK) == 0 else { return false }
        do throws(SQLiteFailure) {
            let connection = try SQLiteConnection(path: path, isReadOnly: true, busyTimeout: Self.busyTimeout)
            guard try connection.value("PRAGMA application_id") != .integer(StateFile.applicationID) else {
                return false
            }
            return try connection.value("SELECT count(*) FROM sqlite_schema") != .integer(0)
        } catch {
            return error.kind == .foreign
        }
    }

    /// Runs `body` while no service can open the files.
    private func whileUnused<Value>(_ body: (_ keys: String, _ answers: String) throws -> Value) throws -> Value {
        let (keys, answers) = try paths()
        guard let lock = try AnswersLock.acquire(ofStateFile: keys),
            let value = try lock.whileUnused(ofStateFile: keys, { try body(keys, answers) })
        else { throw InUse(path: keys) }
        return value
    }
}
