import ArgumentParser

struct UpdateAdditionalPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "additional-plan", abstract: "Change an additional plan of a sub account, or its number of hosts.",
        discussion: ChangeFlags.discussion)

    @OptionGroup var plan: PlanUpdateFlags

    func run() async throws {
        try await plan.run(.updateAdditionalPlan)
    }
}
