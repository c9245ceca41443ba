package import NIOCore

/// A response whose body is known.
package struct HTTPResponse: Sendable {
    /// Begins with `:status`.
    package var fields: HeaderFields
    package var body: ByteBuffer

    /// From a prepared field section, which begins with `:status`.
    package init(fields: HeaderFields, body: ByteBuffer = ByteBuffer()) {
        self.fields = fields
        self.body = body
    }

    /// `:status`; 0 if there is none that is one.
    package var status: Int {
        fields.leadingStatus
    }

    package init(status: Int, body: ByteBuffer = ByteBuffer()) {
        fields = HeaderFields(reservingBytes: 256)
        fields.append(.status, status)
        self.body = body
    }
}
