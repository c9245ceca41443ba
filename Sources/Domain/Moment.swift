/// A moment of a clock that only ever goes forward, to measure waiting by.
package struct Moment: Sendable, Hashable, Comparable {
    /// Since an origin that is the same for one `TimeSource` and means nothing else.
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
