/// A field name in lower case, as required by HTTP/2 (RFC 9113, 8.2.1).
package struct FieldName: Sendable, Equatable {
    /// A static string, so that a field name needs no allocation and no reference counting.
    private let text: StaticString

    /// Whether the field is encoded as a never-indexed literal, outside the HPACK tables (RFC 7541, 6.2.3).
    let isNeverIndexed: Bool

    /// - Parameter isNeverIndexed: Set it for secret values, which could be probed in a table (RFC 7541, 7.1.3), and for
    ///   unique values, which would evict others from the table.
    package init(_ text: StaticString, isNeverIndexed: Bool = false) {
        self.text = text
        self.isNeverIndexed = isNeverIndexed
    }

    /// The name's bytes, valid for the lifetime of the process.
    var utf8: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    package var bytes: [UInt8] { Array(utf8) }

    package static func == (left: FieldName, right: FieldName) -> Bool { left.utf8.elementsEqual(right.utf8) }

    package static let method = FieldName(":method")
    package static let scheme = FieldName(":scheme")
    package static let authority = FieldName(":authority")
    package static let path = FieldName(":path")
    package static let status = FieldName(":status")

    package static let accept = FieldName("accept")
    package static let acceptEncoding = FieldName("accept-encoding")
    package static let age = FieldName("age")
    package static let allow = FieldName("allow")
    package static let authorization = FieldName("authorization", isNeverIndexed: true)
    package static let cacheControl = FieldName("cache-control")
    package static let contentDigest = FieldName("content-digest")
    package static let contentDisposition = FieldName("content-disposition")
    package static let contentLength = FieldName("content-length")
    package static let contentType = FieldName("content-type")
    package static let contentTypeOptions = FieldName("x-content-type-options")
    package static let digest = FieldName("digest")
    package static let reprDigest = FieldName("repr-digest")
    package static let requestID = FieldName("x-request-id", isNeverIndexed: true)
    package static let contentEncoding = FieldName("content-encoding")
    package static let expect = FieldName("expect")
    package static let host = FieldName("host")
    package static let date = FieldName("date")
    package static let etag = FieldName("etag")
    package static let idempotencyKey = FieldName("idempotency-key", isNeverIndexed: true)
    package static let idempotentReplayed = FieldName("idempotent-replayed")
    package static let ifMatch = FieldName("if-match")
    package static let ifModifiedSince = FieldName("if-modified-since")
    package static let ifNoneMatch = FieldName("if-none-match")
    package static let lastModified = FieldName("last-modified")
    package static let vary = FieldName("vary")
    package static let acceptRanges = FieldName("accept-ranges")
    package static let contentRange = FieldName("content-range")
    package static let from = FieldName("from")
    package static let ifRange = FieldName("if-range")
    package static let ifUnmodifiedSince = FieldName("if-unmodified-since")
    package static let maxForwards = FieldName("max-forwards")
    package static let pragma = FieldName("pragma")
    package static let proxyAuthorization = FieldName("proxy-authorization", isNeverIndexed: true)
    package static let range = FieldName("range")
    package static let referer = FieldName("referer")
    package static let forwarded = FieldName("forwarded")
    package static let xForwardedFor = FieldName("x-forwarded-for")
    package static let prefer = FieldName("prefer")
    package static let preferenceApplied = FieldName("preference-applied")
    package static let location = FieldName("location")
    package static let retryAfter = FieldName("retry-after")
    package static let traceparent = FieldName("traceparent", isNeverIndexed: true)
    package static let tracestate = FieldName("tracestate", isNeverIndexed: true)
    package static let userAgent = FieldName("user-agent")
    package static let wwwAuthenticate = FieldName("www-authenticate")
    package static let accelBuffering = FieldName("x-accel-buffering")
    package static let contentSecurityPolicy = FieldName("content-security-policy")
    package static let referrerPolicy = FieldName("referrer-policy")
    package static let accountScope = FieldName("billing-account-scope")
}
