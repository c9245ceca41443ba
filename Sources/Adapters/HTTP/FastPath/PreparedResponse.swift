package import NIOCore

/// A response whose fields and body were encoded before, with what is new in each response.
package struct PreparedResponse {
    package enum Status: Sendable {
        case ok
        case notModified

        package var code: Int {
            switch self {
            case .ok: 200
            case .notModified: 304
            }
        }

        /// The value of `:status`.
        var text: StaticString {
            switch self {
            case .ok: "200"
            case .notModified: "304"
            }
        }
    }

    let status: Status
    let fields: PreparedFields

    /// The fields of `fields` that are sent.
    let sent: Range<Int>

    /// The value of `Age` in seconds.
    let age: Int

    /// The value of `x-request-id`.
    let requestID: RequestID

    /// Empty for a response to HEAD, and for 304.
    let body: ByteBuffer

    package init(
        _ status: Status, _ fields: PreparedFields, _ sent: Range<Int>, age: Int, requestID: RequestID,
        body: ByteBuffer
    ) {
        self.status = status
        self.fields = fields
        self.sent = sent
        self.age = age
        self.requestID = requestID
        self.body = body
    }
}
