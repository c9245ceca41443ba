import Adapters
import NIOCore
import NIOPosix

/// The output of an export. Writes run on a thread that may block.
enum ExportTarget: Sendable {
    case file(ExportFile)
    case standardOutput(ExportCheckpoint)

    /// The progress of all that was appended.
    var position: ExportCheckpoint {
        switch self {
        case .file(let file): file.position
        case .standardOutput(let position): position
        }
    }

    /// Appends the lines of a batch. Call `commit()` to make them durable.
    ///
    /// - Throws: `FileProblem`, `CommandFailure`, or `ExportLines.Problem` for a line that cannot be encoded.
    mutating func append(_ batch: ExportBatch, scope: String?, _ encoding: ExportEncoding) async throws {
        let target = self
        self = try await NIOThreadPool.singleton.runIfActive {
            let position = target.position
            let bytes = try encoding.bytes(of: batch, isFirst: position.bytes == 0)
            return try target.appending(bytes, position.adding(batch, scope: scope, bytes: bytes.readableBytes))
        }
    }

    private func appending(_ bytes: ByteBuffer, _ next: ExportCheckpoint) throws -> ExportTarget {
        switch self {
        case .file(var file):
            try file.append(bytes, next)
            return .file(file)
        case .standardOutput:
            do throws(OutputProblem) {
                try Output.write(bytes)
            } catch {
                throw CommandFailure("\(error)")
            }
            return .standardOutput(next)
        }
    }

    /// Makes the appended bytes durable, and then the checkpoint.
    mutating func commit() async throws {
        guard case .file(let file) = self else { return }
        self = try await NIOThreadPool.singleton.runIfActive {
            var file = file
            try file.commit()
            return .file(file)
        }
    }

    /// As `commit()`, also if the task was cancelled. If the file cannot be written, its last checkpoint stays.
    mutating func commitAfterFailure() async {
        let target = self
        // A task of its own is not cancelled.
        let committed = Task {
            var target = target
            try await target.commit()
            return target
        }
        if let committed = try? await committed.value { self = committed }
    }

    /// Removes everything that was appended after `position`.
    ///
    /// - Throws: `FileProblem`; `CommandFailure` if it was written to standard output.
    mutating func revert(to position: ExportCheckpoint) async throws {
        guard self.position.bytes > position.bytes else { return }
        guard case .file(let file) = self else {
            throw CommandFailure("the stream contradicts itself, and its lines were already written: discard them")
        }
        self = try await NIOThreadPool.singleton.runIfActive {
            var file = file
            try file.revert(to: position)
            return .file(file)
        }
    }

    /// Completes the output.
    mutating func finish(_ encoding: ExportEncoding) async throws {
        if position.bytes == 0 {
            let bytes = try encoding.bytes(of: ExportBatch(), isFirst: true)
            var next = position
            next.bytes = bytes.readableBytes
            let (target, complete) = (self, next)
            self = try await NIOThreadPool.singleton.runIfActive { try target.appending(bytes, complete) }
        }
        try await commit()
        guard case .file(let file) = self else { return }
        try await NIOThreadPool.singleton.runIfActive { try file.finish() }
    }

    func discardIfEmpty() async {
        guard case .file(let file) = self else { return }
        try? await NIOThreadPool.singleton.runIfActive { file.discardIfEmpty() }
    }
}
