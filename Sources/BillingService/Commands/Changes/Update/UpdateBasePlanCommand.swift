import ArgumentParser
import Domain

struct UpdateBasePlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "base-plan", abstract: "Change the base plan of a sub account, or its number of hosts.",
        discussion: ChangeFlags.discussion)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @Option(help: "Zoom's code of the plan, such as business_yearly.")
    var type: String

    @Option(help: "The new number of hosts.")
    var hosts: Int

    @OptionGroup var flags: ChangeFlags

    func run() async throws {
        try flags.checkQuestion()
        try await flags.run(
            AccountChange(
                kind: .updateBasePlan, account: account, body: PlanArgument.value(type: type, hosts: hosts)))
    }
}
