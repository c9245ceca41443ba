package import NIOCore

/// The limits for peers, each with the reason for its default.
package struct Limits: Sendable {
    /// Concurrent streams of a peer (SETTINGS_MAX_CONCURRENT_STREAMS). More than the recommended minimum of 100
    /// (RFC 9113, 6.5.2), and few enough that their buffers stay small.
    package var streamsOpenMax = 128

    /// Size of one field section as defined by RFC 9113, 6.5.2: name, value and 32 bytes per field. Sent to the peer and
    /// enforced here, since nghttp2 only sends it.
    package var headerListBytesMax = 16_384

    /// Fields in one section. The limit in bytes alone would allow hundreds of tiny fields.
    package var headerFieldsMax = 100

    /// The connection is closed when a field section exceeds `headerListBytesMax` by this factor: that is no mistake.
    package var headerExcessFactor = 4

    /// High-water mark of one stream's unsent body bytes, at which its producer is suspended.
    package var streamWriteBytesMax = 65_536

    /// High-water mark of a connection's bytes not yet accepted by the socket, at which it stops writing and reading.
    package var connectionWriteBytesMax = 262_144

    /// Flow-control window of a stream for received data (SETTINGS_INITIAL_WINDOW_SIZE).
    package var streamWindowBytes: Int32 = 65_535

    /// Flow-control window of a connection for received data.
    package var connectionWindowBytes: Int32 = 1_048_576

    /// Length of the first line of an HTTP/1.1 connection: twice `pathBytesMax`.
    package var requestLineBytesMax = 16_384

    /// Requests on one connection, after which it is drained for the reason given at `Timeouts.connectionAge`.
    package var requestsPerConnectionMax = 100_000

    /// Bytes a peer must read within `Timeouts.writeProgress`; with fewer the transfer counts as stalled. A lower figure
    /// would let a peer that reads one byte a minute occupy a stream.
    package var writeProgressBytesMin = 4096

    /// Minimum average rate of a request body that is not streamed: slower than any mobile network.
    package var bodyBytesPerSecondMin = 500

    /// Bytes of an unread request body that are discarded to keep an HTTP/1.1 connection usable.
    package var discardedBodyBytesMax = 65_536

    /// Interim responses per request that a client accepts. Servers send at most 100 and 103.
    package var interimResponsesMax = 16

    /// The parameters of a token bucket.
    package struct Rate: Sendable, Equatable {
        package var burst: Int
        package var perSecond: Int

        package init(burst: Int, perSecond: Int) {
            self.burst = burst
            self.perSecond = perSecond
        }

        /// Parses `200,20/s`: a burst of 1 to 999999 and a refill rate of 0 to 999999 a second; `nil` for other text.
        package init?(_ text: String) {
            guard let match = text.wholeMatch(of: /([0-9]{1,6}),([0-9]{1,6})\/s/), let burst = Int(match.output.1),
                let perSecond = Int(match.output.2), burst > 0
            else { return nil }
            self.init(burst: burst, perSecond: perSecond)
        }
    }

    /// RST_STREAM frames received from a peer. A browser that leaves a page resets dozens of streams, not hundreds.
    package var resets = Rate(burst: 200, perSecond: 20)

    /// Requests that our client cancels by RST_STREAM, which servers may count as an attack (CVE-2023-44487). Above this
    /// rate the client receives and discards the response instead. Below the strictest common server limit, 200 in 30
    /// seconds.
    package var cancels = Rate(burst: 20, perSecond: 5)

    /// RST_STREAM frames sent because of a peer's stream errors. Well-behaved peers cause few.
    package var streamErrors = Rate(burst: 100, perSecond: 10)

    /// PING, SETTINGS and PRIORITY frames received. Older browsers start with a priority tree and send a PING every few
    /// seconds.
    package var controlFrames = Rate(burst: 500, perSecond: 50)

    /// Consecutive empty DATA frames. Some programs end a stream with one; a few flush with one.
    package var emptyDataFramesMax = 100

    /// WINDOW_UPDATE frames that a peer may send beyond the number allowed for the data it received.
    package var windowUpdatesSpare = 100

    /// Received bytes allowed without payload: more than all PINGs of a connection's lifetime.
    package var overheadBytesMax = 1_048_576

    /// Outbound frames queued for serialisation. Head, body and end of `streamsOpenMax` streams are a tenth of it.
    package var queuedFramesMax = 5000

    /// Total size of the field sections of all in-flight requests of one connection.
    package var requestBytesMax = 1_048_576

    /// Length of a path with its query. RFC 9110, 4.1 recommends at least 8000.
    package var pathBytesMax = 8000

    /// Size of a request body that is not streamed. No operation needs a larger one.
    package var bodyBytesMax = 65_536

    /// Total size of the chunk extensions of one body. They are unused, but a parser has to read them (RFC 9112, 7.1.1).
    package var chunkExtensionBytesMax = 4096

    // MARK: All connections of a listener together

    /// Open connections. An idle connection needs about 50 KiB.
    package var connectionsMax = 8192

    /// Connections from one IPv4 address or IPv6 /64 network. Balancers and companies share addresses.
    package var connectionsPerAddressMax = 1024

    /// Concurrent TLS handshakes. Each takes about a millisecond of CPU time.
    package var handshakesMax = 256

    /// Requests with a running task; those answered synchronously do not count.
    package var requestsInFlightMax = 4096

    /// Total of buffered bytes, inbound and outbound.
    package var bufferBytesMax = 256 * 1_048_576

    /// How long a draining connection waits for the PING acknowledgement before it sends the final GOAWAY: three round
    /// trips around the world.
    package var drainNoticeMax: TimeAmount = .seconds(1)

    /// The delay between the last bytes of a broken body and the reset of its stream. Some clients discard data that
    /// arrives together with RST_STREAM (curl 7.88).
    package var brokenBodyDelay: TimeAmount = .milliseconds(100)

    /// How long an ended connection waits for the peer to close its side, and a stream with a complete response for the
    /// end of its request. Their input is discarded.
    package var lingerMax: TimeAmount = .seconds(1)

    /// Bytes of input that an ended connection discards before it is closed.
    package var lingerBytesMax = 1_048_576

    package init() {}

    /// The memory that one connection can occupy in the worst case, including TLS and nghttp2.
    package var worstConnectionBytes: Int {
        Int(connectionWindowBytes) + requestBytesMax + connectionWriteBytesMax + streamsOpenMax * streamWriteBytesMax
            + ServerLoad.connectionBytes
    }
}
