/// A protection against hostile or broken peers. The raw values are metric labels and appear in the log.
package enum Defence: String, Sendable, CaseIterable {
    // MARK: One connection of HTTP/2 (`PeerBudget`)

    /// Streams that the peer opens and resets immediately (CVE-2023-44487).
    case resets
    /// Stream errors that make the server reset streams (CVE-2025-8671).
    case streamErrors = "stream-errors"
    /// Floods of PING, SETTINGS and PRIORITY frames (CVE-2019-9512, -9513, -9515).
    case controlFrames = "control-frames"
    /// Empty DATA frames (CVE-2019-9518).
    case emptyData = "empty-data"
    /// Many small WINDOW_UPDATE frames (CVE-2019-9511).
    case windowUpdates = "window-updates"
    /// Bytes without payload: unknown frames, padding, TLS records without plain text.
    case overhead
    /// Queued responses of a peer that sends requests without reading responses (CVE-2019-9517).
    case unreadAnswers = "unread-answers"
    /// A field section split into too many CONTINUATION frames (CVE-2024-28182).
    case continuations
    /// A field section that exceeds its limits (CVE-2016-6581).
    case headerFields = "header-fields"
    /// The total size of the field sections of a connection's unfinished requests.
    case requestBytes = "request-bytes"
    /// Too many streams, or too many running tasks of closed streams.
    case streams
    /// A protocol error that ends the connection.
    case protocolErrors = "protocol-errors"

    // MARK: Time

    case handshakeTimeout = "handshake-timeout"
    case headersTimeout = "headers-timeout"
    case settingsTimeout = "settings-timeout"
    /// A peer that does not answer PING.
    case keepaliveTimeout = "keepalive-timeout"
    /// A request body that arrives too slowly or stalls.
    case slowBody = "slow-body"
    /// A response that the peer does not read.
    case slowReader = "slow-reader"

    // MARK: Single requests

    case bodyBytes = "body-bytes"
    case chunkExtensions = "chunk-extensions"

    // MARK: All connections together (`ServerLoad`)

    case connections
    case connectionsPerAddress = "connections-per-address"
    case handshakes
    case requestsInFlight = "requests-in-flight"
    case buffers
    /// A missing or malformed PROXY protocol header.
    case proxyHeader = "proxy-header"
    /// Failed authentications from one address.
    case tokenGuesses = "token-guesses"
}
