package import NIOCore

/// A response whose body is known.
package struct HTTPResponse: Sendable {
    /// Begins with `:status`.
    package var fields: HeaderFields
    package var body: ByteBuffer

    package init(status: Int, body: ByteBuffer = ByteBuffer()) {
        fields = HeaderFields(reservingBytes: 256)
        fields.append(.status, status)
        self.body = body
    }
}
