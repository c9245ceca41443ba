import Adapters
import ArgumentParser
import Domain

struct KeysRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove an idempotency key, so that the service forgets its change.",
        discussion: """
            Look at the account before you remove a key whose outcome is unknown. A command with the removed key sends the \
            change again, even if it has taken effect.

            \(KeyFlags.discussion)
            """)

    @Argument(help: "The idempotency key.")
    var key: IdempotencyKey

    @OptionGroup var flags: KeyFlags

    func run() async throws {
        try await flags.service.call(flags.timeout) { [key] connector in
            try await connector.withClient { client in
                let response: ClientResponse
                do throws(HTTPFailure) {
                    response = try await client.exchange(.key(key, method: .delete))
                } catch {
                    throw client.problem(error)
                }
                guard response.status == 204 else { throw ServiceProblem(response) }
                try Output.confirm("removed the key \(key.rawValue)")
            }
        }
    }
}
