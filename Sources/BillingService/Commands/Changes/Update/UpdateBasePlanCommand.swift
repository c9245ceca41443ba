import ArgumentParser

struct UpdateBasePlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "base-plan", abstract: "Change the base plan of a sub account, or its number of hosts.",
        discussion: ChangeFlags.discussion)

    @OptionGroup var plan: PlanUpdateFlags

    func run() async throws {
        try await plan.run(.updateBasePlan)
    }
}
