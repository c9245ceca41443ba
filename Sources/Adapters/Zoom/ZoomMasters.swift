package import Domain
package import Logging
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

        init(_ master: Master, _ client: ZoomClient) {
            self.master = master
            self.client = client
        }

        deinit {
            Task { [client] in await client.close() }
        }
    }

    private let configuration: ZoomConfiguration
    private let credentials: any CredentialsStore
    private let group: MultiThreadedEventLoopGroup
    private let time: any TimeSource
    private let logger: Logger
    private let leases = Mutex<[Name: Lease]>([:])

    /// - Parameter configuration: For all of them; where Zoom is and how often it may be asked each has of its own.
    package init(
        _ masters: [Master], configuration: ZoomConfiguration, credentials: any CredentialsStore,
        group: MultiThreadedEventLoopGroup, time: any TimeSource, logger: Logger
    ) {
        self.configuration = configuration
        self.credentials = credentials
        self.group = group
        self.time = time
        self.logger = logger
        replace(with: masters)
    }

    /// Until the service shuts down.
    package func run() async throws {
        try? await gracefulShutdown()
        let clients = leases.withLock { leases in
            defer { leases = [:] }
            return leases.values.map(\.client)
        }
        for client in clients { await client.close() }
    }

    /// There are other master accounts, or other credentials of the same.
    package func update(_ masters: [Master]) async {
        for lease in replace(with: masters) { await lease.client.credentialsChanged() }
    }

    /// - Returns: Those that stay.
    @discardableResult
    private func replace(with masters: [Master]) -> [Lease] {
        let (staying, gone) = leases.withLock { leases in
            let old = leases
            leases = [:]
            var staying: [Lease] = []
            for master in masters {
                if let lease = old[master.name], lease.master == master {
                    staying.append(lease)
                    leases[master.name] = lease
                } else {
                    leases[master.name] = Lease(master, client(for: master))
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
            master: master.name, configuration: configuration, credentials: credentials, group: group, time: time,
            logger: logger)
    }

    // MARK: Ports

    package func billing(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountBilling {
        let lease = try lease(of: master)
        defer { withExtendedLifetime(lease) {} }
        return try await lease.client.billing(of: account, for: purpose)
    }

    package func subAccounts(of master: Name?) async throws(BillingFailure) -> [AccountID] {
        let lease = try lease(of: master)
        defer { withExtendedLifetime(lease) {} }
        return try await lease.client.subAccounts()
    }

    private func lease(of master: Name?) throws(BillingFailure) -> Lease {
        let lease = leases.withLock { leases -> Lease? in
            guard let master else { return leases.count == 1 ? leases.values.first : nil }
            return leases[master]
        }
        guard let lease else { throw .credentialsRefused }
        return lease
    }

    /// How the last call for each of them went, by name.
    package var standings: [(master: Name, standing: ZoomClient.Standing)] {
        leases.withLock { leases in
            leases.sorted { $0.key < $1.key }.map { ($0.key, $0.value.client.standing) }
        }
    }
}
