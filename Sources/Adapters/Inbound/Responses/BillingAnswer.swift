import Domain
import NIOCore

extension CacheEntry {
    /// The cached answer.
    var billing: BillingAnswer {
        guard let answer = response as? BillingAnswer else {
            preconditionFailure("the cache holds another type of answer")
        }
        return answer
    }
}

/// The encoded answer to a read of one account: the body, and the header fields that differ between answers. It is made once
/// and served many times.
final class BillingAnswer: CachedResponse {
    enum Content: Sendable {
        case body(PreparedFields, ByteBuffer)
        case failure(ProblemDetails)
    }

    /// The fields of an answer with a body; `nil` for a failure.
    let prepared: PreparedFields?

    /// Empty for a failure.
    let body: ByteBuffer

    private let failure: ProblemDetails?

    var content: Content {
        if let failure { return .failure(failure) }
        guard let prepared else { preconditionFailure("an answer without a body or a failure") }
        return .body(prepared, body)
    }

    /// A strong entity tag with its quotes (RFC 9110, 8.8.3); empty for a failure.
    let etag: [UInt8]

    /// When Zoom sent the answer (RFC 3339).
    let asOf: [UInt8]

    /// When this content was first received, in seconds since 1970.
    let lastModified: Int64

    let bytes: Int

    /// The bytes of this object and the headers of its arrays and buffers.
    private static let overhead = 300
    private static let failureBytes = 1400

    /// A strong entity tag of a body, with its quotes (RFC 9110, 8.8.3).
    static func etag(of body: ByteBuffer) -> [UInt8] {
        etag(SHA256Digest(of: Array(body.readableBytesView)[...]).firstWord)
    }

    private static func etag(_ tag: UInt64) -> [UInt8] {
        var text = [UInt8](repeating: UInt8(ascii: "\""), count: 18)
        for place in 0..<16 { text[1 + place] = Hexadecimal.digit(UInt8(tag >> UInt64(60 - 4 * place) & 15)) }
        return text
    }

    /// - Parameter asOf: When Zoom sent the answer (RFC 3339).
    init(_ answer: StoredAnswer, asOf: [UInt8]) {
        self.asOf = asOf
        lastModified = answer.firstSeen / 1000
        if let failure = answer.failure {
            etag = []
            bytes = Self.failureBytes
            self.failure = FailureTable.problem(for: failure)
            prepared = nil
            body = ByteBuffer()
            return
        }
        etag = Self.etag(answer.tag)
        let body = ByteBuffer(bytes: answer.body)
        let fields = Self.fields(
            lifetime: answer.lifetime, etag: etag, lastModified: lastModified, length: body.readableBytes)
        bytes = Self.overhead + body.capacity + fields.bytes
        prepared = fields
        self.body = body
        failure = nil
    }

    /// The fields of an answer in JSON. It varies with `Authorization`, since accounts outside the caller's allow-list appear
    /// not found, and with `Accept`, since it may be 406.
    ///
    /// - Parameters:
    ///   - lastModified: Seconds since 1970.
    ///   - length: The size of the body.
    static func fields(lifetime: Duration, etag: [UInt8], lastModified: Int64, length: Int) -> PreparedFields {
        let lastModified = HTTPDate.bytes(secondsSinceEpoch: lastModified)
        return PreparedFields { fields in
            fields.field(.contentType, "application/json")
            fields.field(.contentTypeOptions, "nosniff")
            fields.field(.vary, "accept, authorization")
            fields.field(.cacheControl, "private, max-age=", Int(lifetime.components.seconds))
            fields.field(.etag, etag.span)
            fields.field(.lastModified, lastModified.span)
            fields.field(.contentLength, "", length)
        }
    }

    /// The prepared fields of a response with this status. A 304 has neither the first nor the last: it has no content, so
    /// Content-Length would be wrong (RFC 9110, 15.4.5). Node's fetch (undici 6) waits for as many bytes over HTTP/1.1.
    static func sentFields(_ status: PreparedResponse.Status) -> Range<Int> {
        switch status {
        case .ok: 0..<7
        case .notModified: 1..<6
        }
    }
}
