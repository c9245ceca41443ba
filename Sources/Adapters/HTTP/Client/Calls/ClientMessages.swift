package import NIOCore
import Synchronization

/// Whether a request may have left: it was passed to a connection at least once.
package final class SendMark: Sendable {
    private let isSet = Atomic(false)

    package init() {}

    package var mayHaveLeft: Bool { isSet.load(ordering: .acquiring) }

    func set() { isSet.store(true, ordering: .releasing) }
}

/// A client request. Its field section starts with the pseudo-header fields.
package struct ClientRequest: Sendable {
    package var fields: HeaderFields
    package var body: ByteBuffer

    /// Set when the request is passed to a connection.
    package var sendMark: SendMark?

    package init(method: String, scheme: String, authority: String, target: String, body: ByteBuffer = ByteBuffer()) {
        fields = HeaderFields(reservingBytes: 512)
        fields.append(.method, method)
        fields.append(.scheme, scheme)
        fields.append(.authority, authority)
        fields.append(.path, target)
        self.body = body
    }
}

/// A complete response.
package struct ClientResponse: Sendable {
    package let status: Int
    package let fields: HeaderFields

    /// The decompressed body.
    package let body: ByteBuffer

    package init(status: Int, fields: HeaderFields, body: ByteBuffer) {
        self.status = status
        self.fields = fields
        self.body = body
    }
}

/// The head of a response, and its body, which is read in pieces.
package struct StreamedResponse: Sendable {
    package let status: Int
    package let fields: HeaderFields
    package let body: ResponseBody

    /// Reads the whole body, and decompresses it.
    ///
    /// - Parameters:
    ///   - beginning: The bytes that were read before.
    ///   - bytesMax: The maximum size of the body, before and after decompression.
    /// - Throws: `tooLarge`, and the errors of `ResponseBody.next()`.
    package func collect(
        after beginning: ByteBuffer = ByteBuffer(), bytesMax: Int
    ) async throws(HTTPFailure) -> ClientResponse {
        var whole = beginning
        guard whole.readableBytes <= bytesMax else { throw .tooLarge }
        while let bytes = try await body.next() {
            guard whole.readableBytes + bytes.readableBytes <= bytesMax else { throw .tooLarge }
            whole.writeImmutableBuffer(bytes)
        }
        let plain = try ContentCoding.decoded(whole, fields.string(.contentEncoding), bytesMax: bytesMax)
        return ClientResponse(status: status, fields: fields, body: plain)
    }
}
