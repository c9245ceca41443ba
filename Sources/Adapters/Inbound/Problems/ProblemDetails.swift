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
    ///   - code: The code of Zoom's answer, if the type does not state one.
    ///   - message: Describes this occurrence.
    ///   - extraMembers: Members that other problems do not have (RFC 9457, 3.2).
    ///   - extraFields: Header fields that other problems do not have, such as `Allow`.
    init(
        _ type: ProblemType, code: Int? = nil, message: String,
        violations: [BillingFailure.Violation] = [], extraMembers: [(name: StaticString, value: String)] = [],
        extraFields: [(FieldName, String)] = []
    ) {
        let explanation = type.explanation
        let status = explanation.status
        let code = code ?? explanation.code.value ?? status
        self.status = status
        self.code = code
        self.message = message
        var body = ByteBuffer()
        body.writeJSONObject { object in
            object.member("type", type.reference)
            object.member("title", explanation.title)
            object.member("status", status)
            object.member("detail", message)
            object.member("code", code)
            object.member("message", message)
            for member in extraMembers { object.member(member.name, member.value) }
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
        // `response` appends the instance, which differs for each answer.
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

    /// Seconds to wait before the next attempt; `nil` if the problem names none.
    var retryAfter: Int? { fields.string(.retryAfter).flatMap { Int($0) } }

    /// The response with the request's id. Everything else was written when the problem was made.
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
