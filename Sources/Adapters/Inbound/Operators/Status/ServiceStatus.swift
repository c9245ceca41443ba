package import Domain

/// The state of the service that operators look at. It holds nothing secret and nothing personal.
package struct ServiceStatus: Sendable {
    package struct Process: Sendable, Equatable {
        package var version = ""
        package var started: Timestamp?
        package var residentBytes = 0
        package var openFiles = 0
        package var openFilesMax = 0
        package var eventLoops = 0

        package init() {}
    }

    /// The requests and connections of the API listener.
    package struct Requests: Sendable, Equatable {
        package var inFlight = 0
        package var bufferedBytes = 0

        /// The mean of the last five seconds.
        package var perSecond = 0.0

        package init() {}
    }

    package struct Connections: Sendable, Equatable {
        /// The version of HTTP: `1.1` or `2`.
        package let version: String
        package let isEncrypted: Bool
        package let open: Int
        package let accepted: Int

        package init(version: String, isEncrypted: Bool, open: Int, accepted: Int) {
            self.version = version
            self.isEncrypted = isEncrypted
            self.open = open
            self.accepted = accepted
        }
    }

    /// A rate limit of Zoom, for one master account.
    package struct Rate: Sendable {
        package struct Day: Sendable, Equatable {
            package let limit: Int
            package let used: Int

            package init(limit: Int, used: Int) {
                self.limit = limit
                self.used = used
            }
        }

        package let master: String
        package let label: String

        /// The operations that the limit applies to.
        package let operations: [String]

        /// The requests a second that this replica may send, or all replicas that share the limit.
        package let limitPerSecond: Double

        /// Requests that wait for a permit.
        package let waiting: Int

        /// `nil` if Zoom has no daily limit.
        package let day: Day?

        /// Whether this replica uses its own share of a limit that replicas share, because Redis does not answer; `nil` if the
        /// limit is not shared.
        package let isOwnShare: Bool?

        /// Requests that were permitted since the start.
        package internal(set) var permitted = 0

        /// Requests that were refused, because the wait would have been too long or the day is used up.
        package internal(set) var refused = 0

        /// Requests that Zoom answered with 429.
        package internal(set) var tooManyRequests = 0

        /// Requests a second of this replica, over the last five seconds.
        package internal(set) var usedPerSecond = 0.0

        /// Requests a second of this replica in each five seconds of the last five minutes, the oldest first. Shorter after a
        /// start.
        package internal(set) var history: [Double] = []

        /// When the daily quota resets; `nil` without one.
        package internal(set) var dayResets: Timestamp?

        /// When the daily quota is used up at the pace of the last five minutes; `nil` if it lasts until it resets.
        package internal(set) var dayEnds: Timestamp?

        package init(
            master: String, label: String, operations: [String], limitPerSecond: Double, waiting: Int, day: Day?,
            isOwnShare: Bool?
        ) {
            self.master = master
            self.label = label
            self.operations = operations
            self.limitPerSecond = limitPerSecond
            self.waiting = waiting
            self.day = day
            self.isOwnShare = isOwnShare
        }
    }

    /// The access token of a master account.
    package struct Token: Sendable {
        package let master: String

        /// `nil` if there is no token yet.
        package let age: Duration?
        package let left: Duration?
        package let isCircuitOpen: Bool

        package init(master: String, age: Duration?, left: Duration?, isCircuitOpen: Bool) {
            self.master = master
            self.age = age
            self.left = left
            self.isCircuitOpen = isCircuitOpen
        }
    }

    package struct Cache: Sendable {
        /// The accounts in the lists of accounts; `nil` if none was read yet.
        package var accounts: Int?

        /// The accounts whose billing information is cached.
        package var accountsCached = 0

        /// The cached answers to all operations.
        package var entries = 0
        package var bytes = 0
        package var bytesMax = 0

        /// The cached billing information by age. The last has no bound.
        package var ages: [(upTo: Duration?, entries: Int)] = []

        /// The fraction of lookups in the last five minutes that the cache answered; `nil` without lookups.
        package internal(set) var hitRatio: Double?

        package init() {}
    }

    package struct Stream: Sendable {
        package enum State: String, Sendable {
            case running
            case waitingForZoom = "waiting for Zoom"
            case waitingForAccountList = "waiting for Zoom's list of accounts"
            case waitingForRateLimit = "waiting for Zoom's rate limit"
            case waitingForInput = "waiting for the accounts from its reader"
            case pausedByReader = "paused by its reader"
        }

        let requestID: String
        let caller: String
        let began: Timestamp

        /// The accounts whose lines were all written.
        var done: Int

        /// `nil` while the number is unknown.
        var accounts: Int?
        var lines: Int

        /// Accounts a second, over the last ten seconds.
        var perSecond: Double
        var state: State

        /// The time that the rest takes at this rate; `nil` if unknown.
        var left: Duration? {
            guard let accounts, perSecond > 0 else { return nil }
            return .seconds(Double(max(0, accounts - done)) / perSecond)
        }
    }

    /// The background refresh of all accounts.
    package struct Refresh: Sendable {
        package let round: Int
        package let done: Int
        package let accounts: Int
        package let failures: Int
        package let began: Timestamp?

        package init(round: Int, done: Int, accounts: Int, failures: Int, began: Timestamp?) {
            self.round = round
            self.done = done
            self.accounts = accounts
            self.failures = failures
            self.began = began
        }
    }

    /// Where the idempotency keys, and what replicas share, are stored.
    package enum Store: Sendable, Equatable {
        case memory
        case file
        /// - Parameter replicas: The replicas that share the store; `nil` if their number is unknown.
        case redis(isConnected: Bool, replicas: Int?)
    }

    package struct Failure: Sendable {
        let time: Timestamp
        let requestID: String
        let method: String
        let route: String

        /// Below 400 if a stream ended before it was complete.
        let status: Int
        let caller: String?
        let duration: Duration
    }

    package let time: Timestamp
    package var process = Process()
    package var requests = Requests()
    package var connections: [Connections] = []
    package internal(set) var rates: [Rate] = []
    package var tokens: [Token] = []
    package var cache = Cache()
    package var streams: [Stream] = []

    /// `nil` if the service does not refresh all accounts.
    package var refresh: Refresh?
    package var store = Store.memory

    /// The number of actions of each defence that has acted.
    package internal(set) var defences: [(reason: String, count: Int)] = []

    /// The last failed requests, the newest first.
    package var failures: [Failure] = []

    package init(time: Timestamp) {
        self.time = time
    }
}
