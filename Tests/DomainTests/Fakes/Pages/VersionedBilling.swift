import Domain
import Synchronization

/// A source whose answer for an account is a version number, which grows with each change of the account.
final class VersionedSource: BillingSource {
    let accounts: [AccountID]
    private let positions: [AccountID: Int]
    private let versions: Mutex<[Int]>

    /// By account: the version after the last change that has ended.
    private let ended: Mutex<[Int]>

    init(accounts count: Int) {
        accounts = (0..<count).map { AccountID(literal: "account-\($0)") }.sorted()
        positions = Dictionary(uniqueKeysWithValues: accounts.enumerated().map { ($1, $0) })
        versions = Mutex(Array(repeating: 0, count: count))
        ended = Mutex(Array(repeating: 0, count: count))
    }

    func position(of account: AccountID) -> Int? { positions[account] }

    /// Changes an account. Only one task may change an account at a time.
    func change(_ position: Int) { versions.withLock { $0[position] += 1 } }

    /// Records that the last change of an account has ended.
    func changeEnded(_ position: Int) {
        let version = versions.withLock { $0[position] }
        ended.withLock { $0[position] = version }
    }

    /// The oldest version that a request may see that begins now.
    func oldestVisible(_ position: Int) -> Int { ended.withLock { $0[position] } }

    func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        guard let position = positions[read.account] else { throw .accountNotFound(read.account) }
        let version = versions.withLock { $0[position] }
        if version.isMultiple(of: 3) { await Task.yield() }
        if Task.isCancelled { throw .cancelled }
        return .contact(BillingContact(reading: { $0 == .zip ? "\(version)" : nil }))
    }

    func hasQueuedRequests(for operation: Operation, under master: Name?) -> Bool { false }
}

/// A response that has the version.
final class VersionedResponse: CachedResponse {
    let account: AccountID
    let version: Int
    let bytes = 100

    init(account: AccountID, version: Int) {
        self.account = account
        self.version = version
    }
}

/// Encodes versions as lines of several kilobytes, of which pages have few.
struct VersionedCodec: AnswerCodec {
    private static let padding = [UInt8](repeating: UInt8(ascii: " "), count: 7000)

    func encode(
        _ outcome: Result<SourceAnswer, BillingFailure>, to read: AccountRead, asOf: Timestamp
    ) -> EncodedAnswer {
        guard case .success(.contact(let contact)) = outcome, let version = contact[.zip].flatMap({ UInt64($0) }) else {
            preconditionFailure("every account has a version")
        }
        let key = Array(read.account.rawValue.utf8)
        let body = Array("\(version)".utf8) + Self.padding
        return EncodedAnswer(
            text: key + body, keyStart: 0, body: key.count..<key.count + body.count, tag: version + 1)
    }

    func response(from answer: StoredAnswer, to read: AccountRead) -> any CachedResponse {
        VersionedResponse(
            account: Self.account(answer.text, answer.body), version: Self.version(answer.body) ?? -1)
    }

    func invoices(in answer: StoredAnswer) -> (list: InvoiceList, asOf: Timestamp)? { nil }

    static func account(_ text: ArraySlice<UInt8>, _ body: ArraySlice<UInt8>) -> AccountID {
        AccountID(literal: String(decoding: text[..<body.startIndex], as: UTF8.self))
    }

    static func version(_ body: ArraySlice<UInt8>) -> Int? {
        Int(String(decoding: body.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self))
    }
}
