package import Domain
package import Logging
package import Metrics
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// Zoom as the domain's ports: every master account by its name, each with a client of its own. Master accounts come, go
/// and change while the service runs.
package final class ZoomMasters: ContactSource, SubAccountDirectory, Service {
    /// A master account, and how Zoom is to be asked about it.
    package struct Master: Sendable, Equatable {
        package let name: Name
        package let accountID: AccountID
        package let api: ZoomConfiguration.Endpoint
        package let oauth: ZoomConfiguration.Endpoint

        /// As in `ZoomConfiguration`.
        package let rates: [ZoomRateLabel: RateBudget.Rules]

        package init(
            name: Name, accountID: AccountID, api: ZoomConfiguration.Endpoint, oauth: ZoomConfiguration.Endpoint,
            rates: [ZoomRateLabel: RateBudget.Rules]
        ) {
            self.name = name
            self.accountID = accountID
            self.api = api
            self.oauth = oauth
            self.rates = rates
        }
    }

    /// A client for as long as anybody uses it: a call that is under way keeps that of a master that is gone.
    private final class Lease: Sendable {
        let master: Master
        let client: ZoomClient
        private let unused: AsyncStream<ZoomClient>.Continuation

        init(_ master: Master, _ client: ZoomClient, unused: AsyncStream<ZoomClient>.Continuation) {
            self.master = master
            self.client = client
            self.unused = unused
        }

        deinit {
            unused.yield(client)
        }
    }

    private struct State {
        var leases: [Name: Lease] = [:]

        /// All that have not been closed, those of masters that are gone as well.
        var clients: [ZoomClient] = []
    }

    private let configuration: ZoomConfiguration
    private let credentials: any CredentialsStore
    private let sharedTokens: (any SharedTokens)?
    private let group: MultiThreadedEventLoopGroup
    private let time: any TimeSource
    private let metrics: any MetricsFactory
    private let tracer: ServiceTracer
    private let logger: Logger
    private let state = Mutex(State())

    /// The clients of masters that are gone, once nobody uses them: for `run` to close.
    private let unused: AsyncStream<ZoomClient>
    private let unusedContinuation: AsyncStream<ZoomClient>.Continuation

    /// - Parameter configuration: For all of them; where Zoom is and how often it may be asked each has of its own.
    package init(
        _ masters: [Master], configuration: ZoomConfiguration, credentials: any CredentialsStore,
        sharedTokens: (any SharedTokens)? = nil, group: MultiThreadedEventLoopGroup, time: any TimeSource,
        metrics: any MetricsFactory = .none, tracer: ServiceTracer = ServiceTracer(), logger: Logger
    ) {
        self.configuration = configuration
        self.credentials = credentials
        self.sharedTokens = sharedTokens
        self.group = group
        self.time = time
        self.metrics = metrics
        self.tracer = tracer
        self.logger = logger
        (unused, unusedContinuation) = AsyncStream.makeStream()
        replace(with: masters)
    }

    /// Until the service shuts down.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            for await client in unused {
                await client.close()
                state.withLock { state in state.clients.removeAll { $0 === client } }
            }
        }
        // Nobody is left to close what is let go of from here on, and nothing is left to be closed.
        unusedContinuation.finish()
        let (leases, clients) = state.withLock { state in
            defer { state = State() }
            return (state.leases, state.clients)
        }
        for client in clients { await client.close() }
        _ = consume leases
    }

    /// There are other master accounts, or other credentials of the same.
    package func update(_ masters: [Master]) async {
        for lease in replace(with: masters) { await lease.client.credentialsChanged() }
    }

    /// - Returns: Those that stay.
    @discardableResult
    private func replace(with masters: [Master]) -> [Lease] {
        let (staying, gone) = state.withLock { state in
            let old = state.leases
            state.leases = [:]
            var staying: [Lease] = []
            for master in masters {
                if let lease = old[master.name], lease.master == master {
                    staying.append(lease)
                    state.leases[master.name] = lease
                } else {
                    let client = client(for: master)
                    state.clients.append(client)
                    state.leases[master.name] = Lease(master, client, unused: unusedContinuation)
                }
            }
            return (staying, old)
        }
        // Let go of outside the lock.
        _ = consume gone
        return staying
    }

    private func client(for master: Master) -> ZoomClient {
        var configuration = configuration
        configuration.api = master.api
        configuration.oauth = master.oauth
        configuration.rates = master.rates
        return ZoomClient(
            master: master.name, configuration: configuration, credentials: credentials, sharedTokens: sharedTokens,
            group: group, time: time, metrics: metrics, tracer: tracer, logger: logger)
    }

    // MARK: Ports

    package func billing(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountBilling {
        let lease = try lease(of: master)
        defer { withExtendedLifetime(lease) {} }
        return try await lease.client.billing(of: account, for: purpose)
    }

    package func page(
        of master: Name?, _ filter: SubAccountFilter, token: String?, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        let lease = try lease(of: master)
        defer { withExtendedLifetime(lease) {} }
        return try await lease.client.page(filter, token: token, for: purpose)
    }

    package func hasQueuedRequests(under master: Name?) -> Bool {
        (try? lease(of: master))?.client.hasQueuedRequests ?? false
    }

    private func lease(of master: Name?) throws(BillingFailure) -> Lease {
        let lease = state.withLock { state -> Lease? in
            guard let master else { return state.leases.count == 1 ? state.leases.values.first : nil }
            return state.leases[master]
        }
        guard let lease else { throw .credentialsRefused }
        return lease
    }

    /// Obtains a token for each that has none, before anybody waits for it: what is wrong with their credentials, or
    /// missing from their scopes, is said now.
    package func obtainTokens() async {
        let leases = state.withLock { Array($0.leases.values) }
        await withTaskGroup { group in
            for lease in leases { group.addTask { await lease.client.obtainToken() } }
        }
    }

    /// What is known of one of them.
    package struct Report: Sendable {
        package let master: Name

        /// How the last call went.
        package let standing: ZoomClient.Standing

        /// What its app lacks the scopes for.
        package let missing: [ZoomOperation]

        /// How it stands with each class of operations that has a limit.
        package let budgets: [(label: ZoomRateLabel, budget: RateBudget.Standing)]

        /// The age of the token in use and how long it is good for; `nil` without one.
        package let token: (age: Duration, left: Duration)?

        /// Whether Zoom is left alone after many failures.
        package let isCircuitOpen: Bool
    }

    /// By name.
    package var reports: [Report] {
        state.withLock { state in
            state.leases.sorted { $0.key < $1.key }.map { name, lease in
                Report(
                    master: name, standing: lease.client.standing, missing: lease.client.missingOperations,
                    budgets: lease.client.standings, token: lease.client.tokenTimes,
                    isCircuitOpen: lease.client.isCircuitOpen)
            }
        }
    }
}
