package import NIOCore

/// How long a peer may take over each thing, with the reason for the figure. Bytes that trickle in extend none of the
/// deadlines for handshakes and heads: they run from the beginning of the thing to its end.
package struct Timeouts: Sendable {
    /// From accepting a connection to its first request's first bytes: PROXY header, TLS handshake, preface. Three
    /// round trips across the world, and one packet lost.
    package var handshake: TimeAmount = .seconds(10)

    /// From the first byte of a field section to its last: it fits into a few packets.
    package var headers: TimeAmount = .seconds(10)

    /// How long the answer to a request may take that is not streamed: a wait for a turn at Zoom, a call to it, another
    /// after a lost connection. Streams end when they end.
    package var request: TimeAmount = .seconds(30)

    /// How long a reader waits for more of a body that comes in. Whoever streams into us may pause to make the next
    /// line, and a program that takes longer than this has mostly gone away.
    package var bodySilence: TimeAmount = .seconds(60)

    /// How long a body may come in before its average rate is looked at (`Limits.bodyBytesPerSecondMin`).
    package var bodyRateGrace: TimeAmount = .seconds(10)

    /// How long something may wait for a peer that takes less than `Limits.writeProgressBytesMin` of it.
    package var writeProgress: TimeAmount = .seconds(30)

    /// Likewise for streamed bodies: honest consumers pause to commit what they have read, and a stream that waits
    /// costs 64 KiB.
    package var writeProgressBulk: TimeAmount = .seconds(300)

    /// How long a connection may be without a request under way. Above the 60 seconds that balancers keep theirs, so
    /// that they close first and no request meets a connection that is being closed.
    package var idle: TimeAmount = .seconds(120)

    /// How long nothing may come from a peer with a stream open before it is asked whether it is still there. HTTP/2
    /// alone.
    package var keepalive: TimeAmount = .seconds(30)

    /// How long it may take to answer that.
    package var keepaliveAnswer: TimeAmount = .seconds(10)

    /// How long it may take to acknowledge our SETTINGS, until which our limits do not bind it (RFC 9113, 6.5.3).
    package var settingsAcknowledgement: TimeAmount = .seconds(10)

    /// How old a connection may grow, give or take a tenth, before its peer is asked to make another: so that clients
    /// find new replicas, and do not all look for them at once.
    package var connectionAge: TimeAmount = .hours(1)

    package init() {}

    /// The age for one connection: somewhere within a tenth of `connectionAge`.
    var connectionAgeWithJitter: TimeAmount {
        let tenth = connectionAge.nanoseconds / 10
        return .nanoseconds(connectionAge.nanoseconds + (tenth > 0 ? Int64.random(in: -tenth...tenth) : 0))
    }
}
