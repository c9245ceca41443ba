/// A point in time of a monotonic clock, for measuring durations.
package struct Moment: Sendable, Hashable, Comparable {
    /// The time since an arbitrary origin, which is the same for all moments of one `TimeSource`.
    package let sinceOrigin: Duration

    package init(sinceOrigin: Duration) {
        self.sinceOrigin = sinceOrigin
    }

    package static func < (left: Moment, right: Moment) -> Bool { left.sinceOrigin < right.sinceOrigin }

    package static func + (moment: Moment, duration: Duration) -> Moment {
        Moment(sinceOrigin: moment.sinceOrigin + duration)
    }

    package static func - (moment: Moment, duration: Duration) -> Moment {
        Moment(sinceOrigin: moment.sinceOrigin - duration)
    }

    package static func - (left: Moment, right: Moment) -> Duration { left.sinceOrigin - right.sinceOrigin }
}
