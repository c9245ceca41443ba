import Adapters
import ArgumentParser
import Domain

struct PlansCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plans", abstract: "Show the plans of a sub account.", discussion: LookupFlags.discussion)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @OptionGroup var flags: LookupFlags

    func run() async throws {
        try await flags.printAnswer(to: .plans(of: account)) { answer, columnsMax in
            PlanTable(
                answer,
                [
                    .init(title: "HOSTS", name: "hosts", content: .number), .init(title: "STATUS", name: "status"),
                    .init(title: "EFFECTIVE", name: "service_effective_date", content: .identifier),
                    .init(title: "NEXT-INVOICE", name: "next_invoice_date", content: .identifier),
                ]
            ).text(columnsMax: columnsMax)
        }
    }
}
