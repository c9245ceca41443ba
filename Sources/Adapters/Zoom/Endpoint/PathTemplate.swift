import Domain

/// A path with `{accountId}` in place of the account, and `{invoiceId}` in place of the invoice.
package struct PathTemplate: Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    private enum Part {
        case text(String)
        case account
        case invoice
    }

    /// The path with its placeholders. It is a label of metrics and an attribute of spans.
    package let description: String

    /// The path in parts, so that a request need not search it for placeholders.
    private let parts: [Part]

    package init(stringLiteral text: StaticString) {
        description = "\(text)"
        var parts: [Part] = []
        var rest = description[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            parts.append(.text(String(rest[..<open])))
            switch rest[open...close] {
            case "{accountId}": parts.append(.account)
            case "{invoiceId}": parts.append(.invoice)
            case let other: preconditionFailure("\(other) is no placeholder of a path")
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        self.parts = parts
    }

    /// Whether the path names an invoice.
    var namesInvoice: Bool {
        parts.contains { if case .invoice = $0 { true } else { false } }
    }

    /// The path of a request. Ids need no percent-encoding in a path segment.
    ///
    /// - Parameters:
    ///   - account: Must be there if the path names an account.
    ///   - invoice: Must be there if the path names an invoice.
    func path(account: AccountID?, invoice: InvoiceID?) -> String {
        var path = ""
        for part in parts {
            switch (part, account, invoice) {
            case (.text(let text), _, _): path += text
            case (.account, let account?, _): path += account.rawValue
            case (.invoice, _, let invoice?): path += invoice.rawValue
            case (.account, nil, _), (.invoice, _, nil):
                preconditionFailure("\(description) names an account or an invoice that the request does not have")
            }
        }
        return path
    }
}
