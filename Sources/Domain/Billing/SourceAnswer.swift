/// What the source answered to a read of one account.
package enum SourceAnswer: Sendable, Equatable {
    case contact(BillingContact)
    case invoices(InvoiceList)
    case document(SourceDocument)
}
