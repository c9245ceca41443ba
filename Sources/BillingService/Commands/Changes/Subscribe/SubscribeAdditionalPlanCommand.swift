import ArgumentParser
import Domain

struct SubscribeAdditionalPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "additional-plan", abstract: "Buy an additional plan for a sub account that has a base plan.",
        discussion: """
            --from reads the whole request as Zoom documents it for Subscribe additional plan. Use it for plans that the \
            flags cannot describe, such as phone and audio plans.

            \(ChangeFlags.discussion)
            """)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @Option(help: "Zoom's code of the plan, such as webinar500_monthly.")
    var type: String?

    @Option(help: "The number of hosts.")
    var hosts: Int?

    @Option(
        help: "File with the whole request as a JSON object, instead of these flags; - for standard input.",
        completion: .file())
    var from: String?

    @OptionGroup var flags: ChangeFlags

    func validate() throws {
        if from != nil, type != nil || hosts != nil {
            throw ValidationError("--from and the flags of the plan exclude each other")
        }
        if from == nil, type == nil { throw ValidationError("no plan to buy: pass --type or --from") }
    }

    func run() async throws {
        try flags.checkQuestion(readsStandardInput: from.map(ServiceFlags.isStandardInput) ?? false)
        let body: InputValue
        if let from {
            body = try await ChangeInput.read(from)
        } else {
            body = PlanArgument.value(type: type ?? "", hosts: hosts)
        }
        try await flags.run(AccountChange(kind: .subscribeAdditionalPlan, account: account, body: body))
    }
}
