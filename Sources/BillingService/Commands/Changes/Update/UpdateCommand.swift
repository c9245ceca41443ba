import ArgumentParser

struct UpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change the billing contact or a plan of a sub account.",
        subcommands: [UpdateBillingCommand.self, UpdateBasePlanCommand.self, UpdateAdditionalPlanCommand.self])
}
