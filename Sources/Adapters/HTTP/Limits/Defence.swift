/// What stopped a peer, or kept us from harm: the closed set that is logged, counted, and used as a label.
package enum Defence: String, Sendable, CaseIterable {
    // MARK: One connection of HTTP/2 (`PeerBudget`)

    /// Streams opened and reset at once (CVE-2023-44487).
    case resets
    /// Streams that made us reset them (CVE-2025-8671).
    case streamErrors = "stream-errors"
    /// PING, SETTINGS and PRIORITY, each of which is answered or kept (CVE-2019-9512, -9513, -9515).
    case controlFrames = "control-frames"
    /// DATA without a byte of it (CVE-2019-9518).
    case emptyData = "empty-data"
    /// Windows opened by a little at a time (CVE-2019-9511).
    case windowUpdates = "window-updates"
    /// Bytes that carry nothing: frames nobody knows, padding, records of TLS without plain text.
    case overhead
    /// Answers that wait because their peer does not read while it goes on asking (CVE-2019-9517).
    case unreadAnswers = "unread-answers"
    /// A field section spread over too many frames (CVE-2024-28182).
    case continuations
    /// A field section far over its limits (CVE-2016-6581).
    case headerFields = "header-fields"
    /// The field sections of all unfinished requests together.
    case requestBytes = "request-bytes"
    /// More streams, or more work for streams that are gone, than a peer may have.
    case streams
    /// A breach of HTTP that ends a connection.
    case protocolErrors = "protocol-errors"

    // MARK: Time

    case handshakeTimeout = "handshake-timeout"
    case headersTimeout = "headers-timeout"
    case settingsTimeout = "settings-timeout"
    /// A peer that does not say whether it is there.
    case keepaliveTimeout = "keepalive-timeout"
    /// A request body that comes too slowly, or not at all.
    case slowBody = "slow-body"
    /// An answer that is not taken.
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
    /// A header of the PROXY protocol that is missing or broken.
    case proxyHeader = "proxy-header"
    /// Tokens tried by one address.
    case tokenGuesses = "token-guesses"
}
