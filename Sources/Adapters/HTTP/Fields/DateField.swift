import Glibc

/// The value of the `Date` field (RFC 9110, 6.6.1) for the responses of one connection, formatted at most once a second.
struct DateField {
    private var second: Int64 = -1
    private var bytes = InlineArray<29, UInt8>(repeating: 0)

    /// The current time of the system clock.
    mutating func value() -> InlineArray<29, UInt8> {
        var now = timespec()
        // Not the coarse clock, which lags by some milliseconds: `Last-Modified` must not be later than `Date`
        // (RFC 9110, 8.8.2.1).
        clock_gettime(CLOCK_REALTIME, &now)
        let seconds = Int64(now.tv_sec)
        if seconds != second {
            second = seconds
            bytes = HTTPDate.bytes(secondsSinceEpoch: seconds)
        }
        return bytes
    }
}
