package import NIOCore

/// The timeouts for peers, each with the reason for its default.
///
/// Deadlines of handshakes and field sections cover the whole step: single bytes that arrive do not extend them.
package struct Timeouts: Sendable {
    /// From accepting a connection to the first bytes of the first request: PROXY header, TLS handshake, preface. Enough
    /// for three long round trips and one lost packet.
    package var handshake: TimeAmount = .seconds(10)

    /// From the first to the last byte of a field section, which fits into a few packets.
    package var headers: TimeAmount = .seconds(10)

    /// From a request to its response: waiting for a rate limit permit, the upstream call and one retry. Does not apply
    /// to streamed responses.
    package var request: TimeAmount = .seconds(30)

    /// The longest pause in a request body. A client that streams may pause to produce the next line; a longer pause
    /// usually means that it is gone.
    package var bodySilence: TimeAmount = .seconds(60)

    /// How long a body may be received before its average rate is checked (`Limits.bodyBytesPerSecondMin`).
    package var bodyRateGrace: TimeAmount = .seconds(10)

    /// The period in which a peer must read at least `Limits.writeProgressBytesMin` of the waiting bytes.
    package var writeProgress: TimeAmount = .seconds(30)

    /// The same for streamed bodies. Well-behaved consumers pause to commit the records that they have read, and a waiting
    /// stream costs only 64 KiB.
    package var writeProgressBulk: TimeAmount = .seconds(300)

    /// How long a connection may be idle. Longer than the usual 60 seconds of balancers, so that they close first and do
    /// not send requests on a closing connection.
    package var idle: TimeAmount = .seconds(120)

    /// How long a peer with open streams may be silent before it gets a PING. HTTP/2 only.
    package var keepalive: TimeAmount = .seconds(30)

    /// From sending a PING to its acknowledgement.
    package var keepaliveAnswer: TimeAmount = .seconds(10)

    /// From sending our SETTINGS to the acknowledgement. Until then our limits do not bind the peer (RFC 9113, 6.5.3).
    package var settingsAcknowledgement: TimeAmount = .seconds(10)

    /// The maximum age of a connection, with 10% jitter, after which it is drained. Clients then reconnect and find new
    /// replicas, but not all at the same time.
    package var connectionAge: TimeAmount = .hours(1)

    package init() {}

    /// `connectionAge` with a random deviation of up to 10%.
    var connectionAgeWithJitter: TimeAmount {
        let tenth = connectionAge.nanoseconds / 10
        return .nanoseconds(connectionAge.nanoseconds + (tenth > 0 ? Int64.random(in: -tenth...tenth) : 0))
    }
}
