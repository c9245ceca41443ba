import ArgumentParser
import Domain

/// The plan that a command changes, and how it sends the change.
struct PlanUpdateFlags: ArgumentsInParts {
    private struct PlanArguments: ParsableArguments {
        @Argument(help: "The id of the sub account.")
        var account: AccountID

        @Option(help: "Zoom's code of the plan, such as business_yearly or webinar500_monthly.")
        var type: String

        @Option(help: "The new number of hosts.")
        var hosts: Int
    }

    static let parts: [ArgumentsPart<PlanUpdateFlags>] = [.init(\.plan), .init(\.flags)]

    private var plan = PlanArguments()
    private var flags = ChangeFlags()

    func run(_ kind: AccountChange.Kind) async throws {
        try flags.checkQuestion()
        try await flags.run(
            AccountChange(
                kind: kind, account: plan.account, body: PlanArgument.value(type: plan.type, hosts: plan.hosts)))
    }
}
