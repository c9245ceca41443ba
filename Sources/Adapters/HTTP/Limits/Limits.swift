package import NIOCore

/// What one HTTP/2 peer may make us hold, each with the reason for its figure.
package struct Limits: Sendable {
    /// Streams a peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS). More than the 100 that RFC 9113 calls
    /// the least sensible, few enough that their buffers stay small.
    package var streamsOpenMax = 128

    /// Size of one field section as RFC 9113, 6.5.2 counts it: name, value and 32 bytes a field. Announced to the peer
    /// and enforced here, since nghttp2 only announces it.
    package var headerListBytesMax = 16_384

    /// Fields in one section. A limit in bytes alone lets through sections of thousands of tiny fields.
    package var headerFieldsMax = 100

    /// A peer that goes on this many times over the limit of a field section is not mistaken, and is cut off.
    package var headerExcessFactor = 4

    /// Bytes of one stream's body that may wait for the peer's window before its producer is held.
    package var streamWriteBytesMax = 65_536

    /// Bytes handed to the socket and not yet taken by it, above which nothing more is serialised or read.
    package var connectionWriteBytesMax = 262_144

    /// Flow-control window of a stream for what we receive (SETTINGS_INITIAL_WINDOW_SIZE).
    package var streamWindowBytes: Int32 = 65_535

    /// Flow-control window of a connection for what we receive.
    package var connectionWindowBytes: Int32 = 1_048_576

    /// The first line of a connection that speaks HTTP/1.1: twice the longest target there is an answer for.
    package var requestLineBytesMax = 16_384

    /// Requests on one connection before its peer is asked to make another, for the reason given at
    /// `Timeouts.connectionAge`.
    package var requestsPerConnectionMax = 100_000

    /// What a peer has to take within `Timeouts.writeProgress` for a body to be taken for moving. Less would let one
    /// byte a minute hold the rest.
    package var writeProgressBytesMin = 4096

    /// The least average rate of a body that is not streamed: that of a bad telephone line.
    package var bodyBytesPerSecondMin = 500

    /// How much of a request nobody wanted is read so that its HTTP/1.1 connection can be used again.
    package var discardedBodyBytesMax = 65_536

    /// Interim answers to one request that a client takes: a server has two to give, 100 and 103.
    package var interimAnswersMax = 16

    /// So many at once, and so many a second after that.
    package struct Rate: Sendable, Equatable {
        package var burst: Int
        package var perSecond: Int

        /// How long what was written last of a body that breaks off is given to be read before it does: some clients throw away
        /// what comes together with the news (curl 7.88).
        package var lastWordsWait: TimeAmount = .milliseconds(100)

        package init(burst: Int, perSecond: Int) {
            self.burst = burst
            self.perSecond = perSecond
        }

        /// `200,20/s`: 1 to 999999 at once, and 0 to 999999 a second after that; `nil` for anything else.
        package init?(_ text: String) {
            guard let match = text.wholeMatch(of: /([0-9]{1,6}),([0-9]{1,6})\/s/), let burst = Int(match.output.1),
                let perSecond = Int(match.output.2), burst > 0
            else { return nil }
            self.init(burst: burst, perSecond: perSecond)
        }
    }

    /// RST_STREAM from a peer. A browser that leaves a page resets a screen full of streams; nobody resets hundreds.
    package var resets = Rate(burst: 200, perSecond: 20)

    /// Requests that a client takes back from a server by RST_STREAM, which servers count as the beginning of an attack
    /// (CVE-2023-44487); beyond this the answer is let come, and dropped. Below what the strictest of servers in use take,
    /// which is 200 in 30 seconds.
    package var cancels = Rate(burst: 20, perSecond: 5)

    /// RST_STREAM that a peer makes us send. Honest programs break the rules now and then, and not all the time.
    package var streamErrors = Rate(burst: 100, perSecond: 10)

    /// PING, SETTINGS and PRIORITY. Older browsers begin with a tree of priorities, and ping every few seconds.
    package var controlFrames = Rate(burst: 500, perSecond: 50)

    /// DATA frames in a row with nothing in them. Some programs end a stream with one; a few flush with one.
    package var emptyDataFramesMax = 100

    /// Window updates that need no DATA of ours to answer to.
    package var windowUpdatesSpare = 100

    /// Bytes that may come without carrying anything: more than all PINGs of a connection's age.
    package var overheadBytesMax = 1_048_576

    /// Frames of ours that may wait to be serialised: every stream of a peer with its head, its body and its end is a
    /// tenth of it.
    package var queuedFramesMax = 5000

    /// The field sections of all requests under way on one connection.
    package var requestBytesMax = 1_048_576

    /// A path with its query (RFC 9110, 4.1 asks for 8000 at least).
    package var pathBytesMax = 8000

    /// The body of a request that is not a stream: larger ones have no meaning here.
    package var bodyBytesMax = 65_536

    /// What the framing of a body in chunks may come to beside the body: nobody uses extensions, and a parser reads them
    /// for as long as they last (RFC 9112, 7.1.1).
    package var chunkExtensionBytesMax = 4096

    // MARK: All connections of a listener together

    /// Connections. A quiet one holds some 50 KiB.
    package var connectionsMax = 8192

    /// Connections from one address, or from one /64 of IPv6. Balancers and companies share addresses.
    package var connectionsPerAddressMax = 1024

    /// Handshakes of TLS under way, each of which costs a core a millisecond.
    package var handshakesMax = 256

    /// Requests being answered that could not be answered at once.
    package var requestsInFlightMax = 4096

    /// Bytes that wait to be read by us or by peers.
    package var bufferBytesMax = 256 * 1_048_576

    /// How long a draining connection waits for the answer to its PING before the final GOAWAY goes out anyway. A
    /// round trip across the world is a third of it.
    package var drainNoticeMax: TimeAmount = .seconds(1)

    /// How long what was written last of a body that breaks off is given to be read before it does: some clients throw away
    /// what comes together with the news (curl 7.88).
    package var lastWordsWait: TimeAmount = .milliseconds(100)

    /// How long a connection whose session has ended waits for the peer to close its half, and a stream whose answer is
    /// complete for the end of the request. Their input is thrown away.
    package var lingerMax: TimeAmount = .seconds(1)

    /// How much input of a connection that has ended is thrown away before it is closed over it.
    package var lingerBytesMax = 1_048_576

    package init() {}

    /// What one connection can make us hold at worst, TLS and the library's own included.
    package var worstConnectionBytes: Int {
        Int(connectionWindowBytes) + requestBytesMax + connectionWriteBytesMax + streamsOpenMax * streamWriteBytesMax
            + ServerLoad.connectionBytes
    }
}
