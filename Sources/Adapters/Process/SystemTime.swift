package import Domain
import FoundationEssentials

/// The system's clocks.
package struct SystemTime: TimeSource {
    private let origin = ContinuousClock.now
    private let civil = SteadyCivilTime()

    package init() {}

    package var now: Moment { Moment(sinceOrigin: ContinuousClock.now - origin) }

    package var timestamp: Timestamp { Timestamp(secondsSinceEpoch: Int64(Date.now.timeIntervalSince1970)) }

    package var millisecondsSinceEpoch: Int64 {
        let now = now
        return civil.milliseconds(system: Int64(Date.now.timeIntervalSince1970 * 1000), at: now)
    }

    package func sleep(until moment: Moment) async throws(CancellationError) {
        do {
            try await Task.sleep(until: origin + moment.sinceOrigin, clock: .continuous)
        } catch {
            throw CancellationError()
        }
    }
}

extension Timestamp {
    /// Parses the form that `rfc3339` writes: whole seconds in UTC. `nil` for every other form.
    package init?(rfc3339 text: String) {
        guard text.wholeMatch(of: /[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z/) != nil,
            let date = try? Date(text, strategy: .iso8601)
        else { return nil }
        self.init(secondsSinceEpoch: Int64(date.timeIntervalSince1970))
        // The parser accepts February 31 as a day in March.
        guard rfc3339 == text else { return nil }
    }

    /// RFC 3339 in UTC: `2026-01-31T12:00:00Z`.
    package var rfc3339: String {
        Date(timeIntervalSince1970: Double(secondsSinceEpoch)).formatted(.iso8601)
    }
}
