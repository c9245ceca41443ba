/// What is spoken on a connection, by its name in ALPN (RFC 7301, RFC 9113).
package enum ApplicationProtocol: String, Sendable {
    case http2 = "h2"
    case http1 = "http/1.1"
}
