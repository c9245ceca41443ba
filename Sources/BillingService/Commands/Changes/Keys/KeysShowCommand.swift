import Adapters
import ArgumentParser
import Domain

#if canImport(Glibc)
    import Glibc
#endif

struct KeysShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the change of an idempotency key, and whether its outcome is known.",
        discussion: """
            The state is running, finished, or unknown. An unknown change may have reached Zoom.

            \(KeyFlags.discussion)
            """)

    @Argument(help: "The idempotency key.")
    var key: IdempotencyKey

    @Flag(help: "Print the JSON of the answer unchanged, for programs.")
    var json = false

    @OptionGroup var flags: KeyFlags

    func run() async throws {
        try await flags.service.call(flags.timeout) { [key, json] connector in
            try await connector.withClient { client in
                let answer = try await client.object(.key(key))
                if json {
                    try await Output.writeJSON(answer.response.body)
                } else {
                    try await Output.writeResult(
                        ObjectTable(answer.object.members).text(
                            columnsMax: TerminalDisplay.columns(of: STDOUT_FILENO)))
                }
            }
        }
    }
}
