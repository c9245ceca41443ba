import Adapters
import Domain
import ServiceLifecycle

/// The background refresh of all accounts, if it is turned on.
struct RefreshPart: ApplicationPart {
    private let refresh: RefreshAccounts?
    private let accounts: MasterAccounts

    init(_ settings: ServeSettings, _ zoom: ZoomPart, _ context: ApplicationContext) {
        accounts = zoom.accounts
        refresh =
            settings.refreshInterval > .zero
            ? RefreshAccounts(
                lists: zoom.lists, cache: zoom.cache, source: zoom.masters, time: context.time,
                interval: settings.refreshInterval) : nil
    }

    var services: [any Service] { refresh.map { [Refresher(refresh: $0, accounts: accounts)] } ?? [] }

    var checks: [Health.Check] {
        refresh.map { refresh in [Health.Check("refresh") { refresh.finding }] } ?? []
    }

    func registerCollectors(in metrics: MetricsRegistry) {
        if let refresh { metrics.collect(from: refresh) }
    }

    func registerStatus(in status: StatusCollector) {
        if let refresh { status.collect(from: refresh) }
    }
}

/// Refreshes all accounts until the service shuts down.
private struct Refresher: Service {
    let refresh: RefreshAccounts
    let accounts: MasterAccounts

    func run() async throws {
        await cancelWhenGracefulShutdown {
            // Callers do not name a single master account, and the cache key contains the name that was requested.
            await refresh.run { [accounts] in accounts.names.count == 1 ? [nil] : accounts.names.sorted() }
        }
    }
}
