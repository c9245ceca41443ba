import NIOCore

/// An invoice of the sandbox.
struct SandboxInvoice: Sendable {
    enum Status: String, Sendable {
        case draft = "Draft"
        case posted = "Posted"
        case canceled = "Canceled"
        case error = "Error"
    }

    enum ChargeType: String, Sendable {
        case recurring = "Recurring"
        case oneTime = "OneTime"
        case usage = "Usage"
    }

    /// A charge or a credit. The total includes the tax.
    struct Item: Sendable {
        let charge: String
        let type: ChargeType
        let from: SandboxDate
        let through: SandboxDate
        let quantity: Int
        let total: SandboxAmount
        let tax: SandboxAmount
    }

    let id: String
    let number: String
    let account: Int
    let date: SandboxDate
    let dueDate: SandboxDate
    let currency: String
    let status: Status
    let items: [Item]
    let total: SandboxAmount
    let tax: SandboxAmount

    /// What is left to pay.
    let balance: SandboxAmount

    /// Whether the status is written with quotes inside the string.
    let hasQuotedStatus: Bool

    /// Writes the members that the list and the details have in common.
    func writeSummary(to object: inout JSONMemberWriter) {
        object.member("id", id)
        object.member("invoice_number", number)
        object.member("invoice_date", date.text)
        object.member("due_date", dueDate.text)
        object.member("target_date", date.text)
        object.member("status", hasQuotedStatus ? "\"\(status.rawValue)\"" : status.rawValue)
        object.member("total_amount") { $0.writeString(total.text) }
        object.member("tax_amount") { $0.writeString(tax.text) }
        object.member("balance") { $0.writeString(balance.text) }
    }
}
