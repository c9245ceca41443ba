import ArgumentParser

struct InvoicesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invoices", abstract: "Show the invoices of a sub account, or download one.",
        discussion: """
            invoices ACCOUNT lists the invoices of a year, or of the days from --from to --to. invoices ACCOUNT INVOICE \
            shows one with its items. invoices download INVOICE writes its PDF to a file.
            """,
        subcommands: [InvoicesShowCommand.self, InvoicesDownloadCommand.self],
        defaultSubcommand: InvoicesShowCommand.self)
}
