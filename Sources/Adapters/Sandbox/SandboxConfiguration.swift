package import Domain

/// The settings of a sandbox.
package struct SandboxConfiguration: Sendable {
    /// A marketplace app with Server-to-Server OAuth, and the account that installed it.
    package struct App: Sendable {
        package enum Account: Sendable {
            /// A paid plan with sub accounts, which may use the Billing API.
            case paidMaster
            /// The free plan with sub accounts.
            case freeMaster
            /// An account without the master-account option.
            case ordinary
        }

        package var accountID: String
        package var clientID: String
        package var clientSecret: String
        package var account: Account
        package var scopes: [String]

        package init(
            accountID: String, clientID: String, clientSecret: String, account: Account = .paidMaster,
            scopes: [String] = ["account:master", "billing:master"]
        ) {
            self.accountID = accountID
            self.clientID = clientID
            self.clientSecret = clientSecret
            self.account = account
            self.scopes = scopes
        }
    }

    /// The plan whose rate limits apply (Zoom: rate limits).
    package enum Limits: String, Sendable, CaseIterable {
        case none
        case free
        case pro
        case business
    }

    package var apps: [App]

    /// The number of sub accounts of the master.
    package var accounts: Int

    /// The same seed makes the same accounts.
    package var seed: UInt64

    package var limits: Limits

    /// The lifetime of a token (Zoom: one hour).
    package var tokenLifetime = Duration.seconds(3600)

    /// Whether a new token revokes the older tokens of its app, as Zoom did before 2023, or leaves them valid.
    package enum Tokens: String, Sendable, CaseIterable {
        case coexisting
        case superseding
    }

    package var tokens = Tokens.coexisting

    /// The median latency of responses; zero for no latency.
    package var latency = Duration.zero

    package var faults: [SandboxFault] = []

    /// The initial time; nil for the machine's time.
    package var start: Timestamp?

    package init(apps: [App], accounts: Int = 1000, seed: UInt64 = 1, limits: Limits = .none) {
        self.apps = apps
        self.accounts = accounts
        self.seed = seed
        self.limits = limits
    }
}
