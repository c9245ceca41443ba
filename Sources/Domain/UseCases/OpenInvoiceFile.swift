/// Opens the file of an invoice for a caller. A file is what the source's adapter makes of it.
package struct OpenInvoiceFile<File: Sendable>: Sendable {
    private let source: any InvoiceFileSource<File>
    private let owners: InvoiceOwners

    package init(source: any InvoiceFileSource<File>, owners: InvoiceOwners) {
        self.source = source
        self.owners = owners
    }

    /// Checks that a caller may download an invoice. An invoice of an account outside the allow-list appears not to exist,
    /// whether it does or not: no request is sent for it. So does an invoice that no answer has shown to belong to an account
    /// of the allow-list, since the request for a file names no account.
    ///
    /// - Throws: `scopeMissing`, `invoiceNotFound`.
    package func check(_ invoice: InvoiceID, for caller: Caller) throws(BillingFailure) {
        try caller.require(Operation.downloadInvoiceFile.rules.callerScope)
        guard let accounts = caller.accounts else { return }
        guard let owner = owners.owner(of: invoice, under: caller.master), accounts.contains(owner) else {
            throw .invoiceNotFound(invoice)
        }
    }

    /// - Parameter queueTimeout: The maximum time in the queue for a permit; `nil` for the default.
    /// - Throws: as `check`, and the errors of `InvoiceFileSource`.
    package func callAsFunction(
        _ invoice: InvoiceID, for caller: Caller, queueTimeout: Duration? = nil
    ) async throws(BillingFailure) -> File {
        try check(invoice, for: caller)
        return try await source.file(
            of: invoice, under: caller.master, for: .interactive(for: caller.name, queueTimeout: queueTimeout))
    }
}
