package import Domain

/// What kind of Zoom the sandbox plays.
package struct SandboxConfiguration: Sendable {
    /// An app of the marketplace with Server-to-Server OAuth, and the account that installed it.
    package struct App: Sendable {
        package enum Account: Sendable {
            /// On a paid plan and with sub accounts: the kind that may use the Billing API.
            case paidMaster
            /// With sub accounts, but on the free plan.
            case freeMaster
            /// Without the master-account option.
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

    /// The plan whose rate limits are kept (Zoom: rate limits).
    package enum Limits: String, Sendable, CaseIterable {
        case none
        case free
        case pro
        case business
    }

    package var apps: [App]

    /// How many sub accounts the master has.
    package var accounts: Int

    /// The same seed makes the same accounts.
    package var seed: UInt64

    package var limits: Limits

    /// How long a token lives (Zoom: one hour).
    package var tokenLifetime = Duration.seconds(3600)

    /// What a new token does to the older ones of its app: what Zoom did before 2023, and has done since.
    package enum Tokens: String, Sendable, CaseIterable {
        case coexisting
        case superseding
    }

    package var tokens = Tokens.coexisting

    /// How long an answer takes as a median; none of them takes any time if it is zero.
    package var latency = Duration.zero

    package var faults: [SandboxFault] = []

    /// What time it is to begin with, if not the machine's.
    package var start: Timestamp?

    package init(apps: [App], accounts: Int = 1000, seed: UInt64 = 1, limits: Limits = .none) {
        self.apps = apps
        self.accounts = accounts
        self.seed = seed
        self.limits = limits
    }
}
