package import Domain

/// The configuration of the sandbox.
package struct SandboxConfiguration: Sendable {
    /// A Server-to-Server OAuth app of the Zoom Marketplace, and the account that installed it.
    package struct App: Sendable {
        package enum Account: String, Sendable, CaseIterable {
            /// A master account on a paid plan, the only kind that may use the Billing API.
            case paidMaster = "paid-master"
            /// A master account on the free plan.
            case freeMaster = "free-master"
            /// An account without the master account option.
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

    /// The plan whose rate limits apply (Zoom: Rate limits).
    package enum Limits: String, Sendable, CaseIterable {
        case none
        case free
        case pro
        case business
    }

    package var apps: [App]

    /// The number of sub accounts.
    package var accounts: Int

    /// The seed of accounts, page tokens, faults and latencies.
    package var seed: UInt64

    package var limits: Limits

    /// The lifetime of an access token (Zoom: one hour).
    package var tokenLifetime = Duration.seconds(3600)

    /// What happens to an app's older tokens when it receives a new one.
    package enum Tokens: String, Sendable, CaseIterable {
        /// They stay valid, as at Zoom since 2023.
        case coexisting
        /// They are revoked, as at Zoom before 2023.
        case superseding
    }

    package var tokens = Tokens.coexisting

    /// The median latency of responses; zero for none.
    package var latency = Duration.zero

    package var faults: [SandboxFault] = []

    /// The size of invoice files, from `pdfBytesMin` to `pdfBytesMax`.
    package var pdfBytes = pdfBytesMin
    package static let pdfBytesMin = SandboxInvoiceFile.byteCountMin
    package static let pdfBytesMax = SandboxInvoiceFile.byteCountMax

    /// The initial time of the sandbox's clock; `nil` for the system's time.
    package var start: Timestamp?

    package init(apps: [App], accounts: Int = 1000, seed: UInt64 = 1, limits: Limits = .none) {
        self.apps = apps
        self.accounts = accounts
        self.seed = seed
        self.limits = limits
    }
}
