package import Domain

/// The readings of a counter over the last minutes, from which its rate is computed.
package struct CounterHistory: Sendable {
    private struct Reading {
        let moment: Moment
        let value: Double
    }

    /// The oldest first. At least one is older than `span`, once the counter was read that long.
    private var readings: [Reading] = []
    private let span: Duration

    /// - Parameter span: The longest time over which a rate is computed.
    package init(span: Duration = .seconds(300)) {
        self.span = span
    }

    /// Adds a reading. A counter that was set back begins a new history.
    package mutating func add(_ value: Double, at moment: Moment) {
        if let last = readings.last, value < last.value || moment <= last.moment { readings = [] }
        readings.append(Reading(moment: moment, value: value))
        while readings.count > 2, readings[1].moment <= moment - span { readings.removeFirst() }
    }

    /// The increase over a time before the last reading; `nil` with fewer than two readings.
    package func increase(over duration: Duration) -> Double? {
        guard let last = readings.last, readings.count > 1 else { return nil }
        return last.value - value(at: last.moment - duration)
    }

    /// The mean increase a second over a time before the last reading, or since the first reading if that was later; `nil` with
    /// fewer than two readings.
    package func perSecond(over duration: Duration) -> Double? {
        guard let first = readings.first, let last = readings.last, readings.count > 1 else { return nil }
        let start = max(first.moment, last.moment - duration)
        return (last.value - value(at: start)) / ((last.moment - start) / .seconds(1))
    }

    /// The mean increase a second in each step before the last reading, the oldest first. Only steps that begin after the first
    /// reading.
    package func perSecond(inStepsOf step: Duration) -> [Double] {
        guard let first = readings.first, let last = readings.last else { return [] }
        let count = min(Int(span / step), Int((last.moment - first.moment) / step))
        return (0..<max(0, count)).map { index in
            let start = last.moment - step * (count - index)
            return (value(at: start + step) - value(at: start)) / (step / .seconds(1))
        }
    }

    /// The value at a moment, between two readings in proportion to the time.
    private func value(at moment: Moment) -> Double {
        guard let index = readings.lastIndex(where: { $0.moment <= moment }) else { return readings.first?.value ?? 0 }
        let reading = readings[index]
        guard index + 1 < readings.count else { return reading.value }
        let next = readings[index + 1]
        let part = (moment - reading.moment) / (next.moment - reading.moment)
        return reading.value + (next.value - reading.value) * part
    }
}
