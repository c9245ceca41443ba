package import Domain
import Synchronization

/// A source of invoice files that answers as the test says, and records its calls. By default no invoice exists.
package final class FakeInvoiceFiles<File: Sendable>: InvoiceFileSource {
    package typealias Answer = @Sendable (InvoiceID) async throws(BillingFailure) -> File

    private let calls = Mutex<[(invoice: InvoiceID, master: Name?)]>([])
    private let answer: Answer

    package init(
        answer: @escaping Answer = { invoice async throws(BillingFailure) in throw .invoiceNotFound(invoice) }
    ) {
        self.answer = answer
    }

    /// The invoices whose files were requested.
    package var invoices: [InvoiceID] { calls.withLock { $0.map(\.invoice) } }

    package var masters: [Name?] { calls.withLock { $0.map(\.master) } }

    package func file(
        of invoice: InvoiceID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> File {
        calls.withLock { $0.append((invoice, master)) }
        return try await answer(invoice)
    }
}
