package import Domain
package import NIOCore

/// A successful answer of Zoom's API.
package struct ZoomAnswer: Sendable {
    package let body: ByteBuffer

    /// The body as a JSON object, if it is one.
    private let json: JSONObject?

    /// The deepest nesting that is read. Members are passed on to callers inside objects of ours, and parsers of callers may
    /// stop at a depth of 32.
    private static let depthMax = 24

    /// Checks that the answer is a success, and has the body that the endpoint answers with. Zoom has been seen to answer
    /// errors with status 200: a code together with a message, or a code alone, is an error as well.
    ///
    /// - Throws: `api`, `misaddressed`, `unreadable`.
    package init(
        _ response: ClientResponse, to endpoint: ZoomEndpoint, now: Timestamp
    ) throws(ZoomFailure) {
        json = Self.object(in: response)
        body = response.body
        let code = json?["code"]?.integer
        let message = json?["message"]?.string ?? json?["error_message"]?.string
        if let fault = ZoomAddressFault(
            response, object: json, code: code, namesInvoice: endpoint.pathTemplate.namesInvoice)
        {
            throw .misaddressed(fault)
        }
        let isSuccess = (200..<300).contains(response.status)
        let isError = code != nil && code != 0 && (message != nil || json?.members.count == 1)
        if !isSuccess || isError {
            throw .api(
                status: response.status, code: code, message: message ?? "",
                retryAfter: RetryAfter.duration(of: response, now: now))
        }
        switch endpoint.answerBody {
        case .object: _ = try object()
        case .bytes: if body.readableBytes == 0 { throw .unreadable }
        case .file, .none: break
        }
    }

    /// - Throws: `unreadable` if the body is no JSON object.
    package func object() throws(ZoomFailure) -> JSONObject {
        guard let json else { throw .unreadable }
        return json
    }

    /// The body as a document on one line; `nil` if it is no JSON object with members.
    var optionalDocument: SourceDocument? { json.flatMap { $0.members.isEmpty ? nil : $0.document } }

    /// The body as a document on one line, with every member as Zoom wrote it.
    ///
    /// - Throws: `unreadable` if the body is no JSON object.
    package func document() throws(ZoomFailure) -> SourceDocument { try object().document }

    /// Reads the body leniently: text that is not UTF-8 and unpaired surrogates become U+FFFD.
    static func object(in response: ClientResponse) -> JSONObject? {
        (try? JSONValue(readingLeniently: Array(response.body.readableBytesView), depthMax: depthMax))?.object
    }
}

extension JSONObject {
    /// The object as JSON on one line. The values of its members keep their original text.
    var document: SourceDocument {
        var buffer = ByteBuffer()
        buffer.writeJSONObject { object in
            for member in members { object.member(named: member.name, text: member.text) }
        }
        return SourceDocument(text: Array(buffer.readableBytesView))
    }
}
