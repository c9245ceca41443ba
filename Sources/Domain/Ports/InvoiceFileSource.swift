/// The source of the files of invoices. What a file is, and how its bytes are read, is a matter of the adapters.
package protocol InvoiceFileSource<File>: Sendable {
    associatedtype File: Sendable

    /// Opens the file of an invoice. Every call costs the source a download.
    ///
    /// - Parameter master: The master account; `nil` for the only one.
    /// - Throws: `invoiceNotFound`, `selfPay`, `rateLimited`, `dailyQuotaSpent`, `sourceUnavailable`, `permissionMissing`,
    ///   `credentialsRefused`, `sourceFailed`, `sourceRejected`, `invoiceFileUnusable`, `timedOut`, `cancelled`.
    func file(
        of invoice: InvoiceID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> File
}
