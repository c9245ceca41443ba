import Adapters
import Foundation
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// The file that an export becomes: `NAME.partial` until it is complete, and beside it `NAME.partial.state`, which says how far it
/// has come. What was written after that was said is written once more.
struct ExportFile {
    /// How far it has come.
    struct State: Equatable {
        var bytes = 0
        var after: String?
        var taken = 0
        var contacts = 0
        var failures: [String: Int] = [:]

        /// What was asked for: another export must not go on with this file.
        var request = ""
    }

    private let path: String
    private let handle: FileHandle
    private let stateFile: PrivateFile
    private(set) var state: State

    /// Whether it was put in its place, and nothing was left to do but to forget how far it had come.
    static func isFinished(_ path: String) -> Bool {
        let state = PrivateFile(path: partial(path) + ".state")
        guard state.stamp != nil, !FileManager.default.fileExists(atPath: partial(path)),
            FileManager.default.fileExists(atPath: path)
        else { return false }
        try? FileManager.default.removeItem(atPath: state.path)
        return true
    }

    private static func partial(_ path: String) -> String { path + ".partial" }

    /// - Parameters:
    ///   - resumes: Goes on with what is there.
    ///   - request: What is asked for, in words that can be compared.
    /// - Throws: `FileProblem`.
    init(_ path: String, resumes: Bool, request: String) throws(FileProblem) {
        self.path = path
        let partial = Self.partial(path)
        stateFile = PrivateFile(path: partial + ".state")
        var state = State(request: request)
        if resumes, stateFile.stamp != nil {
            state = try Self.read(stateFile)
            guard state.request == request else {
                throw FileProblem(
                    path: partial,
                    reason: "begun with other options (\(state.request)); without --resume it is begun anew")
            }
        } else if !resumes, FileManager.default.fileExists(atPath: path) {
            throw FileProblem(path: path, reason: "there already")
        }
        if state.bytes == 0 {
            guard FileManager.default.createFile(atPath: partial, contents: nil, attributes: [.posixPermissions: 0o600])
            else {
                throw FileProblem(path: partial, reason: "cannot be made")
            }
        }
        guard let handle = FileHandle(forWritingAtPath: partial) else {
            throw FileProblem(path: partial, reason: "cannot be written")
        }
        self.handle = handle
        self.state = state
        do {
            guard try handle.seekToEnd() >= UInt64(state.bytes) else {
                throw FileProblem(path: partial, reason: "shorter than it was; begin anew without --resume")
            }
            try handle.truncate(atOffset: UInt64(state.bytes))
        } catch let problem as FileProblem {
            throw problem
        } catch {
            throw FileProblem(path: partial, reason: "cannot be written")
        }
    }

    /// Adds what has come, and says so: both, or as good as neither.
    mutating func append(_ bytes: ByteBuffer, _ change: (inout State) -> Void) throws(FileProblem) {
        do {
            try handle.write(contentsOf: Data(bytes.readableBytesView))
            try handle.synchronize()
        } catch {
            let isFull = (error as? CocoaError)?.code == .fileWriteOutOfSpace
            throw FileProblem(
                path: Self.partial(path), reason: isFull ? "no space left" : "the file system refuses to write it")
        }
        change(&state)
        state.bytes += bytes.readableBytes
        let text = Self.text(of: state)
        try stateFile.update { _ in text }
    }

    /// It is complete.
    func finish() throws(FileProblem) {
        try? handle.close()
        guard rename(Self.partial(path), path) == 0 else {
            throw FileProblem(path: path, reason: "cannot be put in its place")
        }
        try? FileManager.default.removeItem(atPath: stateFile.path)
    }

    private static func text(of state: State) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeJSONObject { object in
            object.member("version", 1)
            object.member("bytes", state.bytes)
            object.member("after", state.after)
            object.member("taken", state.taken)
            object.member("contacts", state.contacts)
            object.member("failures") { buffer in
                buffer.writeJSONObject { failures in
                    for (code, count) in state.failures.sorted(by: { $0.key < $1.key }) {
                        failures.member(named: code, text: Array(String(count).utf8))
                    }
                }
            }
            object.member("request", state.request)
        }
        return Array(buffer.readableBytesView)
    }

    private static func read(_ file: PrivateFile) throws(FileProblem) -> State {
        let object = (try? JSONValue(parsing: try file.read()))?.object
        guard let object, object["version"]?.integer == 1, let bytes = object["bytes"]?.integer, bytes >= 0,
            let taken = object["taken"]?.integer, let contacts = object["contacts"]?.integer,
            let request = object["request"]?.string
        else { throw FileProblem(path: file.path, reason: "says nothing that can be gone on from") }
        var failures: [String: Int] = [:]
        for member in object["failures"]?.object?.members ?? [] { failures[member.name] = member.value.integer ?? 0 }
        return State(
            bytes: bytes, after: object["after"]?.string, taken: taken, contacts: contacts, failures: failures,
            request: request)
    }
}
