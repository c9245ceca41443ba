import Adapters
import ArgumentParser
import NIOPosix

struct StateCompactCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Rewrite both files without their unused space.",
        discussion: """
            No service may use the files. Each needs as much free disk space as it has. A service uses free space of the files \
            again, so it is rarely necessary.

            \(StateFileFlags.exitCodes)
            """)

    @OptionGroup var fileFlags: StateFileFlags

    func run() async throws {
        let files = try await fileFlags.files()
        let compacted = try await NIOThreadPool.singleton.runIfActive { try files.compact() }
        guard !compacted.isEmpty else { throw CommandFailure("\(files.path): no such file", status: .notFound) }
        try Output.confirm(
            compacted.map { "compacted \($0.path) from \($0.before) to \($0.after) bytes" }.joined(separator: "\n"))
    }
}
