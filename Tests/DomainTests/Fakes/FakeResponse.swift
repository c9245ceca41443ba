package import Domain
import Synchronization

/// A cached response that has the answer unchanged.
package final class FakeResponse: CachedResponse {
    package let contact: BillingContact?

    /// The ids of the invoices of a list.
    package let ids: [String?]
    package let asOf: Timestamp
    package let lifetime: Duration

    /// When this content was first received, in milliseconds since 1970.
    package let firstSeen: Int64

    /// The number of earlier answers to the same read.
    package let number: Int
    package let bytes: Int

    fileprivate init(_ encoded: FakeCodec.Encoded, _ stored: StoredAnswer, bytes: Int) {
        self.bytes = bytes
        contact = if case .success(.contact(let contact)) = encoded.outcome { contact } else { nil }
        ids =
            if case .success(.invoices(let list)) = encoded.outcome { list.invoices.map(\.id?.rawValue) } else { [] }
        asOf = encoded.asOf
        lifetime = stored.lifetime
        firstSeen = stored.firstSeen
        number = encoded.number
    }
}

/// Encodes answers as a number, by which it remembers them.
package final class FakeCodec: AnswerCodec {
    fileprivate struct Encoded {
        let outcome: Result<SourceAnswer, BillingFailure>
        let asOf: Timestamp
        let number: Int
    }

    private struct State {
        var encoded: [Encoded] = []
        var counts: [AccountRead: Int] = [:]
    }

    private let bytes: Int
    private let state = Mutex(State())

    /// - Parameter bytes: The size of each response.
    package init(bytes: Int = 100) {
        self.bytes = bytes
    }

    package func encode(
        _ outcome: Result<SourceAnswer, BillingFailure>, to read: AccountRead, asOf: Timestamp
    ) -> EncodedAnswer {
        let index = state.withLock { state in
            let number = state.counts[read, default: 0]
            state.counts[read] = number + 1
            state.encoded.append(Encoded(outcome: outcome, asOf: asOf, number: number))
            return state.encoded.count - 1
        }
        var key = Array(read.account.rawValue.utf8)
        if case .invoice(let invoice)? = read.parameter { key += [0] + Array(invoice.rawValue.utf8) }
        let head = Array("answer to ".utf8)
        // As long as the real one.
        var padding = 0
        if case .success(.invoices(let list)) = outcome {
            padding = list.invoices.reduce(0) { $0 + 120 + $1.document.text.count }
        }
        let body = Array(" \(index)".utf8) + Array(repeating: 32, count: padding)
        let start = head.count + key.count
        return EncodedAnswer(
            text: head + key + body, keyStart: head.count, body: start..<start + body.count,
            tag: UInt64(bitPattern: Int64("\(outcome)".hashValue)))
    }

    package func response(from answer: StoredAnswer, to read: AccountRead) -> any CachedResponse {
        FakeResponse(encoded(answer), answer, bytes: bytes)
    }

    package func invoices(in answer: StoredAnswer) -> (list: InvoiceList, asOf: Timestamp)? {
        let encoded = encoded(answer)
        guard case .success(.invoices(let list)) = encoded.outcome else { return nil }
        return (list, encoded.asOf)
    }

    private func encoded(_ answer: StoredAnswer) -> Encoded {
        guard let index = Int(String(decoding: answer.body.filter { $0 != 32 }, as: UTF8.self)) else {
            preconditionFailure("not an answer of this codec")
        }
        return state.withLock { $0.encoded[index] }
    }
}

extension CacheEntry {
    /// The response of this entry, in a cache of fake responses.
    package var fake: FakeResponse {
        guard let response = response as? FakeResponse else { preconditionFailure("the cache makes other responses") }
        return response
    }
}
