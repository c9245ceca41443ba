import ArgumentParser
import Domain

struct SubscribePlansCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plans", abstract: "Buy the first plans of a free sub account: a base plan, and additional ones.",
        discussion: """
            --from reads the whole request as Zoom documents it for Subscribe plans. Use it for plans that the flags cannot \
            describe, such as phone plans.

            \(ChangeFlags.discussion)
            """)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @Option(
        help: ArgumentHelp(
            "The base plan: Zoom's code and the number of hosts, such as business_yearly:10.", valueName: "type:hosts"))
    var base: PlanArgument?

    @Option(
        help: ArgumentHelp(
            "An additional plan: the kind, Zoom's code and the number of hosts, such as "
                + "plan_webinar=webinar500_monthly:1. May be repeated.", valueName: "kind=type:hosts"))
    var plan: [NamedPlanArgument] = []

    @Option(help: "File with the billing contact as a JSON object; - for standard input.", completion: .file())
    var contact: String?

    @Option(
        help: "File with the whole request as a JSON object, instead of these flags; - for standard input.",
        completion: .file())
    var from: String?

    @OptionGroup var flags: ChangeFlags

    func validate() throws {
        if from != nil, base != nil || contact != nil || !plan.isEmpty {
            throw ValidationError("--from and the flags of plans exclude each other")
        }
        if from == nil, base == nil { throw ValidationError("no plan to buy: pass --base or --from") }
        if plan.contains(where: { $0.member == Self.baseMember }) {
            throw ValidationError("--plan is for additional plans: pass the base plan as --base")
        }
    }

    private static let baseMember = "plan_base"

    func run() async throws {
        try flags.checkQuestion(
            readsStandardInput: [from, contact].contains { $0.map(ServiceFlags.isStandardInput) ?? false })
        let body: InputValue
        if let from {
            body = try await ChangeInput.read(from)
        } else {
            var members: [(name: String, value: InputValue?)] = []
            if let contact { members.append(("contact", try await ChangeInput.read(contact))) }
            members.append((Self.baseMember, base?.value))
            body = ChangeInput.object(members + NamedPlanArgument.members(plan))
        }
        try await flags.run(AccountChange(kind: .subscribePlans, account: account, body: body))
    }
}
