import Adapters
import ArgumentParser
import Domain

struct UsageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "Show how much of its plans a sub account uses.",
        discussion: LookupFlags.discussion)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @OptionGroup var flags: LookupFlags

    func run() async throws {
        try await flags.printAnswer(to: .planUsage(of: account)) { answer, columnsMax in
            PlanTable(
                answer,
                [
                    .init(title: "HOSTS", name: "hosts", content: .number),
                    .init(title: "USAGE", name: "usage", content: .number),
                    .init(title: "PENDING", name: "pending", content: .number),
                ]
            ).text(columnsMax: columnsMax)
        }
    }
}
