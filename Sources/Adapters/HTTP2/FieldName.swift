/// A field name as HTTP/2 carries it: lower case (RFC 9113, 8.2.1).
package struct FieldName: Sendable, Hashable {
    package let bytes: [UInt8]

    /// For names known when the program is written.
    package init(_ name: StaticString) {
        bytes = name.withUTF8Buffer { Array($0) }
    }

    package static let method = FieldName(":method")
    package static let scheme = FieldName(":scheme")
    package static let authority = FieldName(":authority")
    package static let path = FieldName(":path")
    package static let status = FieldName(":status")

    package static let accept = FieldName("accept")
    package static let allow = FieldName("allow")
    package static let authorization = FieldName("authorization")
    package static let cacheControl = FieldName("cache-control")
    package static let contentLength = FieldName("content-length")
    package static let contentType = FieldName("content-type")
    package static let contentTypeOptions = FieldName("x-content-type-options")
    package static let requestID = FieldName("x-request-id")
    package static let retryAfter = FieldName("retry-after")
    package static let traceparent = FieldName("traceparent")
    package static let userAgent = FieldName("user-agent")
    package static let wwwAuthenticate = FieldName("www-authenticate")
    package static let accelBuffering = FieldName("x-accel-buffering")
}
