package import Domain
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

/// The encoded answer to a read of one account: the body, and the header fields that differ between answers. It is encoded
/// once and served many times.
package final class BillingAnswer: CachedResponse {
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

    package let bytes: Int

    /// The bytes of this object and the headers of its arrays and buffers.
    private static let overhead = 300
    private static let failureBytes = 1400

    /// A strong entity tag of a body, with its quotes (RFC 9110, 8.8.3).
    static func etag(of body: ByteBuffer) -> [UInt8] {
        let digest = SHA256Digest(of: Array(body.readableBytesView)[...]).hexadecimal
        return Array("\"\(digest.prefix(20))\"".utf8)
    }

    package init(_ answer: ReceivedAnswer) {
        asOf = Array(answer.asOf.rfc3339.utf8)
        switch answer.outcome {
        case .success(let received):
            var body = ByteBuffer()
            body.write(received)
            etag = Self.etag(of: body)
            let last = answer.previous as? BillingAnswer
            lastModified =
                last.flatMap { [etag] in $0.etag == etag ? $0.lastModified : nil } ?? answer.asOf.secondsSinceEpoch
            var fields = HeaderFields(reservingBytes: 160)
            fields.append(.cacheControl, "private, max-age=\(answer.lifetime.components.seconds)")
            fields.append(.contentLength, body.readableBytes)
            fields.append(.etag, etag)
            fields.append(.lastModified, HTTPDate.text(secondsSinceEpoch: lastModified))
            // A copy without the spare capacity that writing left.
            let compact = ByteBufferAllocator().buffer(buffer: body)
            bytes = Self.overhead + compact.capacity + fields.bytes
            content = .body(fields: fields, compact)
        case .failure(let failure):
            etag = []
            lastModified = answer.asOf.secondsSinceEpoch
            bytes = Self.failureBytes
            content = .failure(FailureTable.problem(for: failure))
        }
    }
}

extension ByteBuffer {
    /// Writes an answer of the source as Zoom's JSON object, on one line.
    fileprivate mutating func write(_ answer: SourceAnswer) {
        switch answer {
        case .contact(let contact): writeContact(contact)
        case .document(let document): writeBytes(document.text)
        case .invoices(let list):
            writeJSONObject { object in
                for member in list.members { object.member(named: member.name, text: member.value) }
                object.member("invoices") { buffer in
                    buffer.writeJSONArray(list.invoices) { $0.writeBytes($1.document.text) }
                }
            }
        }
    }
}
