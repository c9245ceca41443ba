import ArgumentParser
import Domain

struct CancelAdditionalPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "additional-plan", abstract: "Cancel an additional plan of a sub account.",
        discussion: ChangeFlags.discussion)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @Option(help: "Zoom's code of the plan, such as webinar500_monthly.")
    var type: String

    @OptionGroup var cancellation: CancellationFlags
    @OptionGroup var flags: ChangeFlags

    func run() async throws {
        try flags.checkQuestion()
        try await flags.run(
            AccountChange(kind: .cancelAdditionalPlan, account: account, body: cancellation.body(type: type)))
    }
}
