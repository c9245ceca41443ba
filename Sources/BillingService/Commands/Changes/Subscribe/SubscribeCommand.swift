import ArgumentParser

struct SubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscribe", abstract: "Buy plans for a sub account.",
        subcommands: [SubscribePlansCommand.self, SubscribeAdditionalPlanCommand.self])
}
