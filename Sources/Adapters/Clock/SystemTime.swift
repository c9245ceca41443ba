package import Domain
import FoundationEssentials

/// The machine's clocks.
package struct SystemTime: TimeSource {
    private let origin = ContinuousClock.now

    package init() {}

    package var now: Moment { Moment(sinceOrigin: ContinuousClock.now - origin) }

    package var timestamp: Timestamp { Timestamp(secondsSinceEpoch: Int64(Date.now.timeIntervalSince1970)) }

    package func sleep(until moment: Moment) async throws(CancellationError) {
        do {
            try await Task.sleep(until: origin + moment.sinceOrigin, clock: .continuous)
        } catch {
            throw CancellationError()
        }
    }
}

extension Timestamp {
    /// As RFC 3339 writes it: `2026-01-31T12:00:00Z`.
    package var rfc3339: String {
        Date(timeIntervalSince1970: Double(secondsSinceEpoch)).formatted(.iso8601)
    }
}
