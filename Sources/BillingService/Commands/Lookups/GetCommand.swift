import Adapters
import ArgumentParser
import Domain

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Show the billing information of a sub account.",
        discussion: LookupFlags.discussion)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @OptionGroup var flags: LookupFlags

    func run() async throws {
        try await flags.printAnswer(to: .billing(of: account)) { answer, columnsMax in
            ObjectTable(answer.members).text(columnsMax: columnsMax)
        }
    }
}
