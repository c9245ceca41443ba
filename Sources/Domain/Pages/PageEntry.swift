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

    /// When this content was first received: the seconds since 1970, and the milliseconds beyond them.
    var firstSeenSeconds: UInt32
    var firstSeenMilliseconds: UInt16

    /// The start of the body, after the start of the answer.
    var bodyStart: UInt16

    /// The start of the key, after the start of the answer.
    var keyStart: UInt8
    var keyCount: UInt8
    var content: StoredContent

    /// The bytes after the body.
    var trailingCount: UInt8

    var firstSeen: Int64 { Int64(firstSeenSeconds) * 1000 + Int64(firstSeenMilliseconds) }

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

/// What a page stores for an account.
enum StoredContent: UInt8, Sendable {
    case answer = 0
    case selfPay = 1
    case accountNotFound = 2
    case accountIsFree = 3
    case invoiceNotFound = 4

    /// The answer was removed. When its content was first seen is still known, in case the same content is received again.
    case removed = 255

    /// `nil` for a failure that is not cacheable.
    init?(_ failure: BillingFailure) {
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
