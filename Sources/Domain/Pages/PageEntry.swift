/// Describes one answer of a page, in 32 bytes.
struct PageEntry: Sendable {
    /// Identifies the content, see `NewAnswer.tag`.
    var tag: UInt64

    /// The end of the answer in the text of the page. It starts at the end of the previous one.
    var end: UInt32

    /// When the answer was received, in milliseconds after `AnswerPage.origin`.
    var receivedAt: UInt32

    /// How long the answer is fresh, in milliseconds.
    var lifetime: UInt32

    /// When this content was first received: the seconds since 1970, and the milliseconds beyond them in the lower ten bits of
    /// the other number. Its upper bits are the epoch of the answer, see `AnswerEpoch`.
    private var firstSeenSeconds: UInt32
    private var millisecondsAndEpoch: UInt16

    /// The start of the body, after the start of the answer.
    var bodyStart: UInt16

    /// The start of the key, after the start of the answer.
    var keyStart: UInt8
    var keyCount: UInt8
    var content: StoredContent

    /// The bytes after the body.
    var trailingCount: UInt8

    init(
        tag: UInt64, end: UInt32, lifetime: UInt32, firstSeen: Int64, bodyStart: UInt16, keyStart: UInt8,
        keyCount: UInt8,
        content: StoredContent, trailingCount: UInt8, epoch: AnswerEpoch = .first
    ) {
        self.tag = tag
        self.end = end
        receivedAt = 0
        self.lifetime = lifetime
        firstSeenSeconds = 0
        millisecondsAndEpoch = epoch.bits
        self.bodyStart = bodyStart
        self.keyStart = keyStart
        self.keyCount = keyCount
        self.content = content
        self.trailingCount = trailingCount
        self.firstSeen = firstSeen
    }

    var firstSeen: Int64 {
        get { Int64(firstSeenSeconds) * 1000 + Int64(millisecondsAndEpoch & ~AnswerEpoch.mask) }
        set {
            firstSeenSeconds = UInt32(clamping: newValue / 1000)
            millisecondsAndEpoch = millisecondsAndEpoch & AnswerEpoch.mask | UInt16(newValue % 1000)
        }
    }

    var epoch: AnswerEpoch {
        get { AnswerEpoch(bits: millisecondsAndEpoch & AnswerEpoch.mask) }
        set { millisecondsAndEpoch = millisecondsAndEpoch & ~AnswerEpoch.mask | newValue.bits }
    }

    /// When the content of a new answer was first received. The moments of two contents differ, even if both were received in one
    /// millisecond.
    func firstSeen(of answer: NewAnswer, now: Int64) -> Int64 {
        hasContent(of: answer) ? firstSeen : max(now, firstSeen + 1)
    }

    /// Whether a new answer has the content of this one. If this one was removed, the same tag means that the content came
    /// back.
    func hasContent(of answer: NewAnswer) -> Bool {
        tag == answer.tag && (content == answer.content || content == .removed)
    }
}

/// When an answer was stored, relative to the times in which changes of other replicas may have been missed. Each such time ends
/// an epoch.
package struct AnswerEpoch: Sendable, Hashable {
    /// The bits of an entry that have the epoch.
    fileprivate static let mask: UInt16 = 0xFC00

    fileprivate let bits: UInt16

    fileprivate init(bits: UInt16) {
        self.bits = bits
    }

    package static let first = AnswerEpoch(bits: 0)

    /// Of an answer that was stored while changes may have been missed. It is never current.
    package static let unchecked = AnswerEpoch(bits: mask)

    /// The next epoch; `nil` after the last one.
    var next: AnswerEpoch? {
        let next = AnswerEpoch(bits: bits &+ 0x400)
        return next == .unchecked ? nil : next
    }
}

/// Which answers may be served without a look at the answers of other replicas.
package struct EpochCheck: Sendable, Equatable {
    private let mask: UInt16
    private let value: UInt16

    /// All answers.
    package static let none = EpochCheck(mask: 0, value: 0)

    /// No answer.
    static let all = EpochCheck(mask: AnswerEpoch.mask, value: 1)

    private init(mask: UInt16, value: UInt16) {
        self.mask = mask
        self.value = value
    }

    /// The answers of an epoch.
    init(_ epoch: AnswerEpoch) {
        self.init(mask: AnswerEpoch.mask, value: epoch.bits)
    }

    func permits(_ epoch: AnswerEpoch) -> Bool { epoch.bits & mask == value }
}

/// What a page stores for an account.
package enum StoredContent: UInt8, Sendable {
    case answer = 0
    case selfPay = 1
    case accountNotFound = 2
    case accountIsFree = 3
    case invoiceNotFound = 4

    /// The answer was removed. When its content was first seen is still known, in case the same content is received again.
    case removed = 255

    /// `nil` for a failure that is not cacheable.
    package init?(_ failure: BillingFailure) {
        switch failure {
        case .selfPay: self = .selfPay
        case .accountNotFound: self = .accountNotFound
        case .accountIsFree: self = .accountIsFree
        case .invoiceNotFound: self = .invoiceNotFound
        case .invalid, .scopeMissing, .rateLimited, .dailyQuotaSpent, .accountQuotaSpent, .credentialsRefused,
            .permissionMissing, .sourceFailed, .sourceRejected, .answerTooLarge, .sourceUnavailable, .timedOut,
            .notCached,
            .accountListUnusable, .invoiceFileUnusable, .stateUnavailable, .write, .changesUnknown, .cancelled:
            return nil
        }
    }

    /// The failure that is stored as the answer to a read.
    func failure(of read: AccountRead) -> BillingFailure? {
        switch self {
        case .answer, .removed: nil
        case .selfPay: .selfPay
        case .accountNotFound: .accountNotFound(read.account)
        case .accountIsFree: .accountIsFree
        case .invoiceNotFound:
            if case .invoice(let invoice)? = read.parameter { .invoiceNotFound(invoice) } else { nil }
        }
    }
}
