import Domain
import NIOCore

/// An answer that reports an error: problem details (RFC 9457) with Zoom's members `code` and `message`, so that programs
/// written for Zoom can read it.
struct ProblemDetails: Error {
    let status: Int
    let code: Int
    let message: String

    private let body: ByteBuffer
    private let fields: HeaderFields

    /// - Parameters:
    ///   - slug: Names the kind of problem, for programs; the last part of `type`.
    ///   - title: The same for people; `message` says it of this case.
    ///   - extraFields: Fields of this answer alone, such as `Allow`.
    init(
        status: Int, code: Int, slug: String, title: String, message: String,
        violations: [BillingFailure.Violation] = [],
        extraFields: [(FieldName, String)] = []
    ) {
        self.status = status
        self.code = code
        self.message = message
        var body = ByteBuffer()
        body.writeJSONObject { object in
            object.member("type", "urn:billing-service:problem:\(slug)")
            object.member("title", title)
            object.member("status", status)
            object.member("detail", message)
            object.member("code", code)
            object.member("message", message)
            if !violations.isEmpty {
                object.member("errors") { buffer in
                    buffer.writeJSONArray(violations) { buffer, violation in
                        buffer.writeJSONObject { object in
                            object.member("field", violation.field)
                            object.member("message", violation.message)
                        }
                    }
                }
            }
        }
        // The instance is the answer's own and written last.
        body.moveWriterIndex(to: body.writerIndex - 1)
        body.writeStaticString(",\"instance\":\"urn:billing-service:request:")
        self.body = body
        var fields = HeaderFields(reservingBytes: 320)
        fields.append(.status, status)
        fields.append(.contentType, "application/problem+json")
        fields.append(.cacheControl, "private, no-store")
        fields.append(.contentTypeOptions, "nosniff")
        for (name, value) in extraFields { fields.append(name, value) }
        self.fields = fields
    }

    /// The whole answer; all but the request's id was made with the problem.
    func response(_ requestID: RequestID) -> HTTPResponse {
        var whole = ByteBufferAllocator().buffer(capacity: body.readableBytes + requestID.count + 2)
        whole.writeImmutableBuffer(body)
        requestID.append(to: &whole)
        whole.writeStaticString("\"}")
        var fields = HeaderFields(fields, reservingBytes: requestID.count + 64)
        fields.append(.contentLength, whole.readableBytes)
        requestID.append(to: &fields)
        return HTTPResponse(fields: fields, body: whole)
    }
}
