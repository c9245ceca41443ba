package import Domain
import NIOCore

extension CacheEntry {
    /// What is kept, in a cache that was made to keep such.
    var billing: BillingAnswer {
        guard let answer = answer as? BillingAnswer else {
            preconditionFailure("the cache was made to keep something else")
        }
        return answer
    }
}

/// What is answered about an account's billing, made once and given out as often as it is asked for: the body, and what of
/// its header fields is its own.
package final class BillingAnswer: CachedResponse {
    enum Content: Sendable {
        case contact(fields: HeaderFields, body: ByteBuffer)
        case failure(ProblemDetails)
    }

    let content: Content

    /// A strong validator (RFC 9110, 8.8.3), quotes and all; empty for a failure.
    let etag: [UInt8]

    /// When Zoom said it, as RFC 3339 writes it.
    let asOf: [UInt8]

    /// Seconds since 1970; when it was first seen as it is now.
    let lastModified: Int64

    package let bytes: Int

    /// This object, its arrays and buffers besides what is in them.
    private static let overhead = 300
    private static let failureBytes = 1400

    package init(_ answer: SourceAnswer) {
        asOf = Array(answer.asOf.rfc3339.utf8)
        switch answer.outcome {
        case .success(let contact):
            var body = ByteBuffer()
            body.writeContact(contact)
            let digest = SHA256Digest(of: Array(body.readableBytesView)[...]).hexadecimal
            etag = Array("\"\(digest.prefix(20))\"".utf8)
            let last = answer.last as? BillingAnswer
            lastModified =
                last.flatMap { [etag] in $0.etag == etag ? $0.lastModified : nil } ?? answer.asOf.secondsSinceEpoch
            var fields = HeaderFields(reservingBytes: 160)
            fields.append(.cacheControl, "private, max-age=\(answer.lifetime.components.seconds)")
            fields.append(.contentLength, body.readableBytes)
            fields.append(.etag, etag)
            fields.append(.lastModified, HTTPDate.text(secondsSinceEpoch: lastModified))
            // Written with room to grow: what is kept is kept as small as it is.
            let kept = ByteBufferAllocator().buffer(buffer: body)
            bytes = Self.overhead + kept.capacity + fields.bytes
            content = .contact(fields: fields, body: kept)
        case .failure(let failure):
            etag = []
            lastModified = answer.asOf.secondsSinceEpoch
            bytes = Self.failureBytes
            content = .failure(FailureTable.problem(for: failure))
        }
    }
}
