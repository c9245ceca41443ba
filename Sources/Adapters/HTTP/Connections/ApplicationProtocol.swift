/// The HTTP version of a connection. The raw value is its ALPN identifier (RFC 7301, RFC 9113).
package enum ApplicationProtocol: String, Sendable {
    case http2 = "h2"
    case http1 = "http/1.1"
}
