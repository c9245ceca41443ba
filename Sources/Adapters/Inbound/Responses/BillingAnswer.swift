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
        case body(fields: HeaderFields, ByteBuffer)
        case failure(ProblemDetails)
    }

    let content: Content

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
        var text = Array("\"0000000000000000\"".utf8)
        let digits = Array("0123456789abcdef".utf8)
        for place in 0..<16 { text[1 + place] = digits[Int(tag >> UInt64(60 - 4 * place) & 15)] }
        return text
    }

    /// - Parameter asOf: When Zoom sent the answer (RFC 3339).
    init(_ answer: StoredAnswer, asOf: [UInt8]) {
        self.asOf = asOf
        lastModified = answer.firstSeen / 1000
        if let failure = answer.failure {
            etag = []
            bytes = Self.failureBytes
            content = .failure(FailureTable.problem(for: failure))
            return
        }
        etag = Self.etag(answer.tag)
        let body = ByteBuffer(bytes: answer.body)
        var fields = HeaderFields(reservingBytes: 160)
        fields.append(.cacheControl, "private, max-age=\(answer.lifetime.components.seconds)")
        fields.append(.contentLength, body.readableBytes)
        fields.append(.etag, etag)
        fields.append(.lastModified, HTTPDate.text(secondsSinceEpoch: lastModified))
        bytes = Self.overhead + body.capacity + fields.bytes
        content = .body(fields: fields, body)
    }
}
