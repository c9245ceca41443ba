package import NIOCore

/// Where Redis is, and how it is called.
package struct RedisConfiguration: Sendable {
    package struct Address: Sendable, Hashable {
        package let host: String
        package let port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// `host:port`, with an IPv6 address in brackets.
        package var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// The servers that are tried in turn. One is the primary, or each is a node of one cluster. With `sentinelPrimary`, they
    /// are the sentinels.
    package var addresses: [Address]

    /// The name of the primary that the sentinels monitor; nil without sentinels.
    package var sentinelPrimary: String?

    /// The TLS context; nil for a connection in clear text.
    package var tls: TLSContext?

    /// The ACL user; nil for the default user.
    package var user: String?

    /// Reads the password before each connection, so that it can be rotated; nil for a server without a password. May
    /// block. The description of its error is shown to operators.
    package var password: (@Sendable () throws -> String)?

    package var database = 0

    /// The first part of every key, without a colon.
    package var keyPrefix = "billing"

    /// The name of the connection in `CLIENT LIST`.
    package var clientName = "billing-service"

    /// The time for the address lookup, the connection, TLS and the first commands together.
    package var connect = TimeAmount.seconds(2)

    /// A connection whose oldest command has had no reply for this time is closed.
    package var unanswered = TimeAmount.seconds(3)

    /// A connection that received nothing for this time sends a PING.
    package var idle = TimeAmount.seconds(1)

    /// A subscription that received nothing for this time, not even the reply to its PING, is lost.
    package var silence = TimeAmount.milliseconds(1500)

    /// The maximum of commands that wait for replies.
    package var queueCommandsMax = 16_384

    /// The maximum of bytes of commands that wait for replies.
    package var queueBytesMax = 32 * 1_048_576

    /// The maximum of bytes of one reply.
    package var replyBytesMax = 64 * 1_048_576

    /// The maximum wait before the first attempt to reconnect. It doubles with each failed attempt.
    package var backOffFirst = Duration.milliseconds(100)

    /// The maximum wait before every attempt to reconnect.
    package var backOffMax = Duration.milliseconds(500)

    package init(addresses: [Address]) {
        self.addresses = addresses
    }

    /// A key: the prefix and `parts`, separated by colons. Keys that one script uses contain the same `{…}`.
    package func key(_ parts: String...) -> [UInt8] {
        Array(([keyPrefix] + parts).joined(separator: ":").utf8)
    }
}

/// Waits between attempts to connect: exponential back-off with full jitter.
struct RedisBackOff {
    private let first: Duration
    private let max: Duration
    private var upperBound: Duration

    init(_ configuration: RedisConfiguration) {
        first = configuration.backOffFirst
        max = configuration.backOffMax
        upperBound = first
    }

    mutating func reset() { upperBound = first }

    mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        defer { upperBound = min(upperBound * 2, max) }
        return upperBound * Double.random(in: 0...1, using: &random)
    }

    private func min(_ left: Duration, _ right: Duration) -> Duration { left < right ? left : right }
}
