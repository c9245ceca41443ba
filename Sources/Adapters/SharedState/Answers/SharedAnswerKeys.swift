import Domain

/// The keys in Redis of the answers to one read.
///
/// All keys of an account and of some others have one hash tag, so that one script can use them in a cluster, and one MGET reads
/// the answers of many accounts.
struct SharedAnswerKeys {
    /// The number of hash tags under a master account.
    static let tags = 16

    let tag: Int
    private let start: String
    private let end: String
    private let parameter: String

    /// - Parameters:
    ///   - prefix: The first part of all keys.
    ///   - source: Identifies the master account and its Zoom.
    init(_ read: AccountRead, prefix: String, source: String) {
        self.init(read.operation, of: read.account, read.parameter, prefix: prefix, source: source)
    }

    init(
        _ operation: Operation, of account: AccountID, _ parameter: AccountRead.Parameter? = nil, prefix: String,
        source: String
    ) {
        // FNV-1a, since the hashes of the standard library differ between processes.
        var hash: UInt32 = 2_166_136_261
        for byte in account.rawValue.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        tag = Int(hash >> 16) % Self.tags
        start = prefix + ":"
        end = "{" + source + String(tag, radix: 16) + "}" + operation.code + account.rawValue
        self.parameter =
            switch parameter {
            case nil: ""
            case .period(let period): ":\(period.from):\(period.to)"
            case .invoice(let invoice): ":" + invoice.rawValue
            }
    }

    var answer: [UInt8] { Array((start + "a" + end + parameter).utf8) }
    var claim: [UInt8] { Array((start + "c" + end + parameter).utf8) }
    var version: [UInt8] { Array((start + "v" + end).utf8) }
    var index: [UInt8] { Array((start + "i" + end).utf8) }
    var hasParameter: Bool { !parameter.isEmpty }
}

extension Operation {
    /// Identifies the operation in keys and messages, which replicas of other versions read.
    var code: String {
        switch self {
        case .getBillingInformation: "b"
        case .listBillingInvoices: "i"
        case .getInvoiceDetails: "d"
        case .downloadInvoiceFile: "f"
        case .getPlanInformation: "p"
        case .getPlanUsage: "u"
        case .listSubAccounts: "l"
        case .getSubAccountDetails: "s"
        case .updateBillingInformation: "B"
        case .subscribePlans: "S"
        case .subscribeAdditionalPlan: "A"
        case .updateAdditionalPlan: "P"
        case .cancelAdditionalPlans: "C"
        case .updateBasePlan: "U"
        case .cancelBasePlan: "D"
        }
    }

    init?(code: some StringProtocol) {
        guard let operation = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = operation
    }
}
