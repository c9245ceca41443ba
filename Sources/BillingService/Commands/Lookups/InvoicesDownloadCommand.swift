import Adapters
import ArgumentParser
import Domain
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

struct InvoicesDownloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "download", abstract: "Download the PDF of an invoice.",
        discussion: """
            The file appears under its name when it is complete. An interrupted download leaves nothing. Zoom answers one \
            download of an account in 30 minutes.

            \(SourceFlags.discussion) Put -- before an id that begins with a dash.

            \(ExitStatus.summary(of: ExitStatus.ofLookups))
            """)

    @Argument(help: "The id of the invoice.")
    var invoice: InvoiceID

    @Option(help: "File to write to; - for standard output.", completion: .file())
    var output: String

    @Flag(help: "Replace an existing file.")
    var overwrite = false

    @OptionGroup var timeout: TimeoutFlag
    @OptionGroup var source: SourceFlags

    func validate() throws {
        if output.isEmpty { throw ValidationError("--output is empty") }
    }

    func run() async throws {
        if output == "-" {
            guard TerminalDisplay.columns(of: STDOUT_FILENO) == nil else {
                throw ValidationError("--output -: standard output is a terminal, which cannot show a PDF")
            }
        } else {
            try DownloadFile.check(output, overwrites: overwrite)
        }
        guard let service = try await source.lookupService() else { return }
        try await service.call(cancellingAtSignals: true) {
            [
                invoice, output, overwrite, timeout = timeout.duration, display = source.errorDisplay,
                logger = service.logger,
            ] endpoint in
            try await ServiceClient.with(endpoint, timeout: timeout, logger: logger) { client in
                if output == "-" {
                    _ = try await Self.download(invoice, from: client, display) { try Output.write($0) }
                } else {
                    let file = try await NIOThreadPool.singleton.runIfActive {
                        try DownloadFile(output, overwrites: overwrite)
                    }
                    let count: Int
                    do {
                        count = try await Self.download(invoice, from: client, display) { try file.append($0) }
                        try await NIOThreadPool.singleton.runIfActive { try file.finish() }
                    } catch {
                        // Not on the thread pool, which runs nothing for a cancelled task.
                        file.discard()
                        throw error
                    }
                    Output.writeError("\(output): \(DownloadProgress.size(count))\n")
                }
            }
        }
    }

    /// - Parameter write: Called on a thread that may block.
    /// - Returns: The number of bytes.
    /// - Throws: `ServiceProblem`, and the errors of `write`.
    private static func download(
        _ invoice: InvoiceID, from client: ServiceClient, _ display: TerminalDisplay,
        write: @escaping @Sendable (ByteBuffer) throws -> Void
    ) async throws -> Int {
        let response = try await client.pdf(.invoiceFile(invoice))
        var progress = DownloadProgress(total: response.length, display)
        defer { progress.end() }
        var bytes: ByteBuffer? = response.start
        while let next = bytes {
            try await NIOThreadPool.singleton.runIfActive { try write(next) }
            progress.add(next.readableBytes)
            bytes = try await response.next(after: progress.done)
        }
        return progress.done
    }
}
