import Adapters
import Domain
import Synchronization

/// What the parts of the service show on the operator's page.
extension StatusCollector {
    func collect(from zoom: ZoomMasters) {
        collectRates {
            zoom.reports.flatMap { report in
                report.budgets.map { label, budget in
                    ServiceStatus.Rate(
                        master: report.master.rawValue, label: label.rawValue, operations: label.operations,
                        limitPerSecond: budget.perSecond, waiting: budget.waiting,
                        day: budget.dayLimit.map { .init(limit: $0, used: budget.dayUsed) },
                        isOwnShare: budget.isOwnShare)
                }
            }
        }
        collect { status in
            status.tokens = zoom.reports.map { report in
                ServiceStatus.Token(
                    master: report.master.rawValue, age: report.token?.age, left: report.token?.left,
                    isCircuitOpen: report.isCircuitOpen)
            }
        }
    }

    func collect(
        from cache: BillingCache, _ pages: AnswerPages, _ lists: AccountListCache, bytesMax: Int, _ time: any TimeSource
    ) {
        collectCacheLookups {
            let counts = cache.counts
            let hits = counts.fresh + counts.stale
            return (hits, hits + counts.missed)
        }
        let ages = CacheAges(pages, time)
        collect { status in
            let size = cache.size
            status.cache.entries = size.entries
            status.cache.bytes = size.bytes
            status.cache.bytesMax = bytesMax
            let known = lists.storable
            if !known.isEmpty { status.cache.accounts = known.reduce(0) { $0 + $1.snapshot.list.count } }
            status.cache.ages = ages.current()
            status.cache.accountsCached = status.cache.ages.reduce(0) { $0 + $1.entries }
        }
    }

    func collect(from load: ServerLoad) {
        collect { status in
            status.requests.inFlight = load.requestsInFlight
            status.requests.bufferedBytes = load.bufferedBytes
            status.connections = load.connectionsByKind.map { kind in
                ServiceStatus.Connections(
                    version: kind.applicationProtocol.version, isEncrypted: kind.isEncrypted, open: kind.open,
                    accepted: kind.accepted)
            }
        }
    }

    func collect(from refresh: RefreshAccounts) {
        collect { status in
            let progress = refresh.progress
            status.refresh = ServiceStatus.Refresh(
                round: progress.rounds + 1, done: progress.done, accounts: progress.accounts,
                failures: progress.failures, began: progress.began)
        }
    }

    func collectProcess(eventLoops: Int) {
        collect { status in
            status.process.version = BuildInfo.version
            status.process.eventLoops = eventLoops
            guard let process = ProcessStatistics.now() else { return }
            status.process.started = Timestamp(secondsSinceEpoch: Int64(process.startSeconds))
            status.process.residentBytes = process.residentBytes
            status.process.openFiles = process.openFiles
            status.process.openFilesMax = process.openFilesMax
        }
    }
}

/// The numbers of cached accounts by age. Counting a million accounts takes milliseconds, so the numbers are up to five seconds
/// old.
private final class CacheAges: Sendable {
    private static let bounds: [Duration] = [
        .seconds(60), .seconds(300), .seconds(900), .seconds(3600), .seconds(6 * 3600), .seconds(86_400),
    ]
    private static let interval = Duration.seconds(5)

    private let pages: AnswerPages
    private let time: any TimeSource
    private let counted = Mutex<(at: Moment, ages: [(upTo: Duration?, entries: Int)])?>(nil)

    /// - Parameter time: The clock of the cache.
    init(_ pages: AnswerPages, _ time: any TimeSource) {
        self.pages = pages
        self.time = time
    }

    func current() -> [(upTo: Duration?, entries: Int)] {
        let now = time.now
        if let counted = counted.withLock(\.self), now - counted.at < Self.interval { return counted.ages }
        let counts = pages.counts(of: .getBillingInformation, byAge: Self.bounds, at: now)
        let bounds = Self.bounds.map { Optional($0) } + [nil]
        let ages = zip(bounds, counts).map { (upTo: $0, entries: $1) }
        counted.withLock { $0 = (now, ages) }
        return ages
    }
}
