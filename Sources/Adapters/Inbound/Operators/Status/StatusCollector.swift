package import Domain
import ServiceLifecycle
import Synchronization

/// Makes the `ServiceStatus` from what the parts of the service report and from the metrics, so that both show the same numbers.
/// Reads the counters every second, for rates and the charts of the last five minutes.
package final class StatusCollector: Service {
    private struct RateKey: Hashable {
        let master: String
        let label: String
    }

    private struct Histories {
        var requests = CounterHistory()
        var cacheHits = CounterHistory()
        var cacheLookups = CounterHistory()
        var permits: [RateKey: CounterHistory] = [:]
        var days: [RateKey: CounterHistory] = [:]
    }

    private struct State {
        var collectors: [@Sendable (inout ServiceStatus) -> Void] = []
        var rates: @Sendable () -> [ServiceStatus.Rate] = { [] }
        var cacheLookups: @Sendable () -> (hits: Int, all: Int) = { (0, 0) }
        var eachSecond: [@Sendable (Moment) -> Void] = []
        var histories = Histories()
    }

    private let metrics: MetricsRegistry
    private let time: any TimeSource
    private let state = Mutex(State())

    package init(metrics: MetricsRegistry, time: any TimeSource) {
        self.metrics = metrics
        self.time = time
    }

    /// Adds a collector, which sets its part of each status.
    package func collect(_ collect: @escaping @Sendable (inout ServiceStatus) -> Void) {
        state.withLock { $0.collectors.append(collect) }
    }

    /// Sets the source of the rate limits.
    package func collectRates(_ rates: @escaping @Sendable () -> [ServiceStatus.Rate]) {
        state.withLock { $0.rates = rates }
    }

    /// Sets the source of the numbers of lookups in the cache since the start.
    package func collectCacheLookups(_ lookups: @escaping @Sendable () -> (hits: Int, all: Int)) {
        state.withLock { $0.cacheLookups = lookups }
    }

    /// Adds a function that is called every second.
    package func eachSecond(_ run: @escaping @Sendable (Moment) -> Void) {
        state.withLock { $0.eachSecond.append(run) }
    }

    /// Reads the counters every second, until graceful shutdown.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            repeat { read() } while (try? await time.sleep(until: time.now + .seconds(1))) != nil
        }
    }

    /// Reads the counters once.
    package func read() {
        let (rates, cacheLookups, others) = state.withLock { ($0.rates, $0.cacheLookups, $0.eachSecond) }
        let requests = metrics.values(of: .serverRequestDuration).reduce(0) { $0 + $1.value }
        let permits = totals(of: .zoomBudgetSent)
        let days = rates().compactMap { rate in
            rate.day.map { (RateKey(master: rate.master, label: rate.label), $0.used) }
        }
        let lookups = cacheLookups()
        let now = time.now
        state.withLock { state in
            state.histories.requests.add(requests, at: now)
            state.histories.cacheHits.add(Double(lookups.hits), at: now)
            state.histories.cacheLookups.add(Double(lookups.all), at: now)
            for (key, count) in permits {
                state.histories.permits[key, default: CounterHistory()].add(count, at: now)
            }
            for (key, used) in days {
                state.histories.days[key, default: CounterHistory()].add(Double(used), at: now)
            }
        }
        for other in others { other(now) }
    }

    /// The values of a metric by rate limit.
    private func totals(of definition: MetricDefinition) -> [RateKey: Double] {
        metrics.values(of: definition).reduce(into: [:]) { totals, series in
            totals[RateKey(master: series.label("master"), label: series.label("label")), default: 0] += series.value
        }
    }

    package func status() -> ServiceStatus {
        let (collectors, rates, histories) = state.withLock { ($0.collectors, $0.rates, $0.histories) }
        var status = ServiceStatus(time: time.timestamp)
        for collect in collectors { collect(&status) }
        status.requests.perSecond = histories.requests.perSecond(over: .seconds(5)) ?? 0
        if let lookups = histories.cacheLookups.increase(over: .seconds(300)), lookups > 0 {
            status.cache.hitRatio = (histories.cacheHits.increase(over: .seconds(300)) ?? 0) / lookups
        }
        status.rates = complete(rates(), histories, at: status.time)
        status.defences = metrics.values(of: .serverDefences).filter { $0.value > 0 }
            .map { (reason: $0.label("reason"), count: Int($0.value)) }
            .sorted { ($1.count, $0.reason) < ($0.count, $1.reason) }
        return status
    }

    private func complete(
        _ rates: [ServiceStatus.Rate], _ histories: Histories, at now: Timestamp
    ) -> [ServiceStatus.Rate] {
        let (permitted, refused) = (totals(of: .zoomBudgetSent), totals(of: .zoomBudgetRefused))
        let calls = metrics.values(of: .zoomCalls).filter { $0.label("outcome") == "rate-limited" }
        return rates.map { rate in
            var rate = rate
            let key = RateKey(master: rate.master, label: rate.label)
            rate.permitted = Int(permitted[key] ?? 0)
            rate.refused = Int(refused[key] ?? 0)
            let tooMany = calls.filter {
                $0.label("master") == rate.master && rate.operations.contains($0.label("operation"))
            }
            rate.tooManyRequests = Int(tooMany.reduce(0) { $0 + $1.value })
            rate.usedPerSecond = histories.permits[key]?.perSecond(over: .seconds(5)) ?? 0
            rate.history = histories.permits[key]?.perSecond(inStepsOf: .seconds(5)) ?? []
            rate.dayResets = rate.day.map { _ in DailyQuota.end(of: now) }
            rate.dayEnds = rate.day.flatMap { Self.end(of: $0, histories.days[key], at: now) }
            return rate
        }
    }

    /// When a day's quota is used up at the pace of the last five minutes; `nil` if it lasts until midnight (UTC).
    private static func end(
        of day: ServiceStatus.Rate.Day, _ history: CounterHistory?, at now: Timestamp
    ) -> Timestamp? {
        guard day.used < day.limit else { return now }
        guard let pace = history?.perSecond(over: .seconds(300)), pace > 0 else { return nil }
        let seconds = Double(day.limit - day.used) / pace
        guard seconds < Double(DailyQuota.end(of: now).secondsSinceEpoch - now.secondsSinceEpoch) else { return nil }
        return Timestamp(secondsSinceEpoch: now.secondsSinceEpoch + Int64(seconds))
    }
}
