/// An answer of the source in the notation of an adapter.
package struct EncodedAnswer: Sendable {
    /// One line of text, as streams send it. It contains the key of the answer: the bytes of the account id, followed by a
    /// zero byte and the bytes of the invoice id if the read has one.
    package let text: [UInt8]

    /// Where the key starts in the text.
    package let keyStart: Int

    /// What single lookups answer, as a part of the text. Empty for a failure.
    package let body: Range<Int>

    /// Identifies the content of the body: two answers with the same tag have the same body.
    package let tag: UInt64

    package init(text: [UInt8], keyStart: Int, body: Range<Int>, tag: UInt64) {
        self.text = text
        self.keyStart = keyStart
        self.body = body
        self.tag = tag
    }
}

/// An answer that is to be stored.
package struct NewAnswer: Sendable {
    let encoded: EncodedAnswer
    let content: StoredContent
    let receivedAt: Moment
    let lifetime: Duration
    let epoch: AnswerEpoch

    /// - Parameter failure: The failure that is the answer.
    /// - Returns: `nil` for a failure that is not cacheable.
    package init?(_ encoded: EncodedAnswer, failure: BillingFailure? = nil, receivedAt: Moment, lifetime: Duration) {
        guard let content = failure.map({ StoredContent($0) }) ?? .answer else { return nil }
        self.init(encoded, content, receivedAt: receivedAt, lifetime: lifetime)
    }

    /// Identifies the content: the tag of the body, or a number for each failure.
    var tag: UInt64 { content == .answer ? encoded.tag : UInt64(content.rawValue) }

    init(
        _ encoded: EncodedAnswer, _ content: StoredContent, receivedAt: Moment, lifetime: Duration,
        epoch: AnswerEpoch = .first
    ) {
        self.epoch = epoch
        self.encoded = encoded
        self.content = content
        self.receivedAt = receivedAt
        self.lifetime = lifetime
    }
}

/// Encodes the answers that the cache stores, and makes the responses of single lookups from them.
package protocol AnswerCodec: Sendable {
    func encode(_ outcome: Result<SourceAnswer, BillingFailure>, to read: AccountRead, asOf: Timestamp) -> EncodedAnswer

    func response(from answer: StoredAnswer, to read: AccountRead) -> any CachedResponse

    /// The list of a stored answer to List billing invoices, and when the source gave it; `nil` if it cannot be read.
    func invoices(in answer: StoredAnswer) -> (list: InvoiceList, asOf: Timestamp)?
}

/// A stored answer: its text and when it was received.
package struct StoredAnswer: Sendable {
    /// The line of the answer.
    package let text: ArraySlice<UInt8>

    /// What single lookups answer. Empty for a failure.
    package let body: ArraySlice<UInt8>
    package let tag: UInt64
    package let failure: BillingFailure?

    /// When this content was first received, in milliseconds since 1970.
    package let firstSeen: Int64
    package let lifetime: Duration
    package let receivedAt: Moment
    var epoch = AnswerEpoch.first
}
