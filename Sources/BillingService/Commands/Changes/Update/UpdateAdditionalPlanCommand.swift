import ArgumentParser
import Domain

struct UpdateAdditionalPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "additional-plan", abstract: "Change an additional plan of a sub account, or its number of hosts.",
        discussion: ChangeFlags.discussion)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @Option(help: "Zoom's code of the plan, such as webinar500_monthly.")
    var type: String

    @Option(help: "The new number of hosts.")
    var hosts: Int

    @OptionGroup var flags: ChangeFlags

    func run() async throws {
        try flags.checkQuestion()
        try await flags.run(
            AccountChange(
                kind: .updateAdditionalPlan, account: account, body: PlanArgument.value(type: type, hosts: hosts)))
    }
}
