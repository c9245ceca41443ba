package import NIOCore

/// A response with a complete body.
package struct HTTPResponse: Sendable {
    /// The field section, starting with `:status`.
    package var fields: HeaderFields
    package var body: ByteBuffer

    /// - Parameter fields: A prepared field section, which starts with `:status`.
    package init(fields: HeaderFields, body: ByteBuffer = ByteBuffer()) {
        self.fields = fields
        self.body = body
    }

    /// The value of `:status`; 0 if it is missing.
    package var status: Int {
        fields.leadingStatus
    }

    package init(status: Int, body: ByteBuffer = ByteBuffer()) {
        fields = HeaderFields(reservingBytes: 256)
        fields.append(.status, status)
        self.body = body
    }
}
