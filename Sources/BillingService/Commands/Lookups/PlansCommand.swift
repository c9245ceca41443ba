import Adapters
import ArgumentParser
import Domain

struct PlansCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plans", abstract: "Show the plans of a sub account.", discussion: LookupFlags.discussion)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @OptionGroup var flags: LookupFlags

    func run() async throws {
        try await flags.printAnswer(to: .plans(of: account)) { answer, columnsMax in
            PlanTable(plans: answer).text(columnsMax: columnsMax)
        }
    }
}
