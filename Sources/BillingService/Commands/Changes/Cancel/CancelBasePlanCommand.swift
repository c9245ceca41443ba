import ArgumentParser
import Domain

struct CancelBasePlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "base-plan",
        abstract: "Cancel the base plan of a sub account. Its additional plans must be cancelled before.",
        discussion: ChangeFlags.discussion)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @OptionGroup var cancellation: CancellationFlags
    @OptionGroup var flags: ChangeFlags

    func run() async throws {
        try flags.checkQuestion()
        try await flags.run(AccountChange(kind: .cancelBasePlan, account: account, body: cancellation.body()))
    }
}
