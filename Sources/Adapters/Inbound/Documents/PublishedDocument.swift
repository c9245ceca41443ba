import NIOCore

/// A file that a listener serves: the same for every client, and without secrets.
struct PublishedDocument: Sendable {
    /// How long a client may use its copy.
    enum Lifetime: Sendable {
        /// For five minutes: the file changes with the version of the service.
        case ofVersion
        /// Without limit, since its address changes with its content (RFC 8246).
        case ofContent

        fileprivate var cacheControl: String {
            switch self {
            case .ofVersion: "public, max-age=300"
            case .ofContent: "public, max-age=31536000, immutable"
            }
        }
    }

    let body: ByteBuffer

    /// A strong entity tag with its quotes (RFC 9110, 8.8.3).
    let etag: [UInt8]

    private let fields: HeaderFields
    private let notModifiedFields: HeaderFields

    /// - Parameter extraFields: Header fields that other documents do not have.
    init(
        _ mediaType: String, _ body: ByteBuffer, lifetime: Lifetime = .ofVersion,
        extraFields: [(FieldName, String)] = []
    ) {
        self.body = body
        let etag = BillingAnswer.etag(of: body)
        func section(status: Int, _ own: [(FieldName, String)]) -> HeaderFields {
            var fields = HeaderFields(reservingBytes: 640)
            fields.append(.status, status)
            fields.append(.etag, etag)
            fields.append(.cacheControl, lifetime.cacheControl)
            fields.append(.contentTypeOptions, "nosniff")
            for (name, value) in own { fields.append(name, value) }
            return fields
        }
        self.etag = etag
        fields = section(
            status: 200, [(.contentType, mediaType), (.contentLength, "\(body.readableBytes)")] + extraFields)
        notModifiedFields = section(status: 304, [])
    }

    /// A page in HTML.
    ///
    /// - Parameter policy: What the page may load (CSP 3).
    init(page: HTMLWriter, policy: ContentSecurityPolicy) {
        self.init(
            "text/html; charset=utf-8", ByteBuffer(string: page.html),
            extraFields: [(.contentSecurityPolicy, policy.text), (.referrerPolicy, "no-referrer")])
    }

    func response(to request: HTTPRequest, _ requestID: RequestID) -> HTTPResponse {
        // The document has no `Last-Modified`, so `If-Modified-Since` is never met.
        let isNotModified = Conditions(of: request).isMet(etag: etag, lastModified: .max)
        var fields = HeaderFields(
            isNotModified ? notModifiedFields : fields, reservingBytes: requestID.count + 64)
        requestID.append(to: &fields)
        return HTTPResponse(fields: fields, body: isNotModified ? ByteBuffer() : body)
    }
}
