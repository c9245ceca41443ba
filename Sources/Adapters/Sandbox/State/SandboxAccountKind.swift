/// A kind of account with a peculiarity that clients must handle. Each kind is one account in a hundred.
///
/// The raw values are those of `GET /sandbox/accounts`; see `docs/sandbox.md`.
package enum SandboxAccountKind: String, Sendable, CaseIterable {
    /// Documented members are missing from the billing information and the account details.
    case missingMembers = "missing-members"
    /// Members are null.
    case nullMembers = "null-members"
    /// There are members that Zoom's documentation does not have.
    case additionalMembers = "additional-members"
    /// A free account: no plans, usage or invoices.
    case free
    /// The same; the error about it has the HTTP status 200.
    case freeWithSuccessStatus = "free-200"
    /// The sub account pays for itself.
    case selfPay = "self-pay"
    /// The status of its latest invoice contains quotes, as in one of Zoom's examples.
    case quotedStatus = "quoted-status"
    /// Invoices with thousands of items, and thousands of plans.
    case large
    /// Amounts with more digits than a binary floating-point number can represent.
    case longAmounts = "long-amounts"
    /// The file name of its invoices contains a path and quotes.
    case unsafeFileName = "unsafe-file-name"

    /// The accounts of this kind have this remainder of their number by 100.
    var remainder: Int {
        switch self {
        case .missingMembers: 7
        case .nullMembers: 17
        case .additionalMembers: 27
        case .free: 33
        case .freeWithSuccessStatus: 34
        case .selfPay: 42
        case .quotedStatus: 52
        case .large: 62
        case .longAmounts: 77
        case .unsafeFileName: 87
        }
    }
}
