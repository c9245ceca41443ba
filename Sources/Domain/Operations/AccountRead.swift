/// A read of one account: an operation with its parameters. It identifies a cached answer.
package struct AccountRead: Sendable, Hashable {
    /// What an operation needs besides the account.
    package enum Parameter: Sendable, Hashable {
        case period(InvoicePeriod)
        case invoice(InvoiceID)
    }

    package let operation: Operation
    package let account: AccountID
    package let parameter: Parameter?

    init(_ operation: Operation, _ account: AccountID, _ parameter: Parameter? = nil) {
        self.operation = operation
        self.account = account
        self.parameter = parameter
    }
}
