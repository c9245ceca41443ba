package import Domain
package import Logging
package import Metrics
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// Implements the domain's ports with Zoom: one client for each master account. Master accounts are added, removed and
/// changed while the service runs.
package final class ZoomMasters: BillingSource, AccountWriter, InvoiceFileSource, SubAccountDirectory, Service {
    /// A master account, with the addresses and rate limits of its calls.
    package struct Master: Sendable, Equatable {
        package let name: Name
        package let accountID: AccountID
        package let api: ZoomConfiguration.ServiceURL
        package let oauth: ZoomConfiguration.ServiceURL

        /// See `ZoomConfiguration.rates`.
        package let rates: [ZoomRateLabel: RateBudget.Rules]

        package init(
            name: Name, accountID: AccountID, api: ZoomConfiguration.ServiceURL, oauth: ZoomConfiguration.ServiceURL,
            rates: [ZoomRateLabel: RateBudget.Rules]
        ) {
            self.name = name
            self.accountID = accountID
            self.api = api
            self.oauth = oauth
            self.rates = rates
        }
    }

    /// Keeps a client open while calls use it, also after its master account was removed.
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

        /// All clients that are not closed, also those of removed master accounts.
        var clients: [ZoomClient] = []
    }

    private let configuration: ZoomConfiguration
    private let credentials: any CredentialsStore
    private let sharedTokens: (any SharedTokens)?
    private let sharedRates: (any SharedRates)?
    private let sharedQuotas: (any SharedQuotas)?
    private let group: MultiThreadedEventLoopGroup
    private let time: any TimeSource
    private let metrics: any MetricsFactory
    private let tracer: ServiceTracer
    private let logger: Logger
    private let state = Mutex(State())

    /// Clients of removed master accounts that no call uses any more. `run` closes them.
    private let unused: AsyncStream<ZoomClient>
    private let unusedContinuation: AsyncStream<ZoomClient>.Continuation

    /// - Parameter configuration: For all master accounts, except for the addresses and rate limits that each has.
    package init(
        _ masters: [Master], configuration: ZoomConfiguration, credentials: any CredentialsStore,
        sharedTokens: (any SharedTokens)? = nil, sharedRates: (any SharedRates)? = nil,
        sharedQuotas: (any SharedQuotas)? = nil, group: MultiThreadedEventLoopGroup, time: any TimeSource,
        metrics: any MetricsFactory = .none, tracer: ServiceTracer = ServiceTracer(), logger: Logger
    ) {
        self.configuration = configuration
        self.credentials = credentials
        self.sharedTokens = sharedTokens
        self.sharedRates = sharedRates
        self.sharedQuotas = sharedQuotas
        self.group = group
        self.time = time
        self.metrics = metrics
        self.tracer = tracer
        self.logger = logger
        (unused, unusedContinuation) = AsyncStream.makeStream()
        replace(with: masters)
    }

    /// Closes unused clients until the service shuts down, then all clients.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            for await client in unused {
                await client.close()
                state.withLock { state in state.clients.removeAll { $0 === client } }
            }
        }
        // The stream closes no more clients: all are closed below.
        unusedContinuation.finish()
        let (leases, clients) = state.withLock { state in
            defer { state = State() }
            return (state.leases, state.clients)
        }
        for client in clients { await client.close() }
        _ = consume leases
    }

    /// Replaces the master accounts. Master accounts that stay may have new credentials.
    package func update(_ masters: [Master]) async {
        for lease in replace(with: masters) { await lease.client.credentialsChanged() }
    }

    /// - Returns: The master accounts that stay.
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
        // Released outside the lock.
        _ = consume gone
        return staying
    }

    private func client(for master: Master) -> ZoomClient {
        var configuration = configuration
        configuration.api = master.api
        configuration.oauth = master.oauth
        configuration.rates = master.rates
        return ZoomClient(
            master: master.name, account: master.accountID, configuration: configuration, credentials: credentials,
            sharedTokens: sharedTokens, sharedRates: sharedRates, sharedQuotas: sharedQuotas, group: group, time: time,
            metrics: metrics, tracer: tracer, logger: logger)
    }

    // MARK: Calls

    /// Performs a call for a master account. Each operation implements its port with it.
    ///
    /// - Parameter master: `nil` for the only master account.
    package func perform<Answer>(
        _ call: ZoomCall<Answer>, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> Answer {
        let lease = try lease(of: master)
        defer { withExtendedLifetime(lease) {} }
        return try await lease.client.perform(call, for: purpose)
    }

    package func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        try await perform(ZoomCall(read), under: master, for: purpose)
    }

    package func send(
        _ write: AccountWrite, under master: Name?, for purpose: Purpose,
        willSend: @escaping @Sendable () async throws(BillingFailure) -> Void
    ) async -> WriteReport {
        do throws(BillingFailure) {
            let lease = try lease(of: master)
            defer { withExtendedLifetime(lease) {} }
            return await lease.client.send(write, for: purpose, willSend: willSend)
        } catch {
            return WriteReport(.notSent(error))
        }
    }

    package func check(
        _ write: AccountWrite, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) {
        let lease = try lease(of: master)
        defer { withExtendedLifetime(lease) {} }
        try await lease.client.check(write, for: purpose)
    }

    package func plans(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountPlans {
        let lease = try lease(of: master)
        defer { withExtendedLifetime(lease) {} }
        return try await lease.client.plans(of: account, for: purpose)
    }

    package func file(
        of invoice: InvoiceID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> StreamedFile {
        let lease = try lease(of: master)
        return try await lease.client.file(of: invoice, for: purpose).retaining(lease)
    }

    package func hasQueuedRequests(for operation: Operation, under master: Name?) -> Bool {
        (try? lease(of: master))?.client.hasQueuedRequests(for: operation) ?? false
    }

    private func lease(of master: Name?) throws(BillingFailure) -> Lease {
        let lease = state.withLock { state -> Lease? in
            guard let master else { return state.leases.count == 1 ? state.leases.values.first : nil }
            return state.leases[master]
        }
        guard let lease else { throw .credentialsRefused }
        return lease
    }

    /// Obtains the access tokens of all master accounts ahead of the first calls, so that wrong credentials and missing
    /// scopes are reported early.
    package func obtainTokens() async {
        let leases = state.withLock { Array($0.leases.values) }
        await withTaskGroup { group in
            for lease in leases { group.addTask { await lease.client.obtainToken() } }
        }
    }

    /// The state of one master account, for health checks and metrics.
    package struct Report: Sendable {
        package let master: Name

        package let health: ZoomHealth

        /// Operations that the app lacks the scopes for.
        package let missing: [Operation]

        /// The state of each rate limit.
        package let budgets: [(label: ZoomRateLabel, budget: RateBudget.Usage)]

        /// The age of the access token in use, and the time until it expires; `nil` without a token.
        package let token: (age: Duration, left: Duration)?

        package let isCircuitOpen: Bool
    }

    /// The states of all master accounts, ordered by name.
    package var reports: [Report] {
        state.withLock { state in
            state.leases.sorted { $0.key < $1.key }.map { name, lease in
                Report(
                    master: name, health: lease.client.health, missing: lease.client.missingOperations,
                    budgets: lease.client.budgets, token: lease.client.tokenTimes,
                    isCircuitOpen: lease.client.isCircuitOpen)
            }
        }
    }
}
