/// What a store that replicas share records of one app's access token: the token, and the right to request a new one.
///
/// The store runs each method as one transaction. Its scripts and this value do the same: both pass the same tests. One replica
/// at a time has the right, until it stores a token or gives up, or until the right ends by the store's clock. Rights have
/// increasing numbers, also when the store's clock is set back. After a later right was granted, a token of an earlier one is
/// not stored: where a new token ends the older ones, the later one is valid.
///
/// Times are microseconds of the store's clock since 1970.
package struct TokenLedger<Token: Sendable & Equatable>: Sendable, Equatable {
    /// How long a right lasts. A request for a token usually takes less than a second.
    package static var rightTime: Duration { .seconds(10) }

    private struct Entry: Equatable {
        /// The number of the last right, or of the token.
        let number: Int64
        let token: Token?
        let expires: Int64
    }

    private struct Right: Equatable {
        let number: Int64
        let ends: Int64
    }

    private var entry: Entry?
    private var right: Right?

    package init() {}

    /// When the store removes the token and the last number, and when the right ends; nil without them.
    package var expires: Int64? { entry?.expires }
    package var rightEnds: Int64? { right?.ends }

    package mutating func token(at now: Int64) -> Token? {
        expire(at: now)
        return entry?.token
    }

    /// - Returns: The number of the right; nil if another replica has it.
    package mutating func begin(at now: Int64) -> Int64? {
        expire(at: now)
        guard right == nil else { return nil }
        let number = nextNumber(at: now)
        let rightTime = Int64(Self.rightTime / .microseconds(1))
        right = Right(number: number, ends: now + rightTime)
        // The number is stored for longer than the right.
        entry = Entry(number: number, token: entry?.token, expires: max(entry?.expires ?? 0, now + 2 * rightTime))
        return number
    }

    /// Stores a token.
    ///
    /// - Parameters:
    ///   - number: The number of the right; nil for a token without a right, which counts as the latest.
    ///   - lifetime: In microseconds; more than 0.
    /// - Returns: False if there is a later right or token.
    package mutating func put(_ token: Token, number: Int64?, lifetime: Int64, at now: Int64) -> Bool {
        expire(at: now)
        let number = number ?? nextNumber(at: now)
        if right?.number == number { right = nil }
        if let entry, entry.number > number { return false }
        entry = Entry(number: number, token: token, expires: now + lifetime)
        return true
    }

    /// Gives up a right.
    ///
    /// - Returns: False if it has ended.
    package mutating func end(_ number: Int64, at now: Int64) -> Bool {
        expire(at: now)
        guard right?.number == number else { return false }
        right = nil
        return true
    }

    private mutating func expire(at now: Int64) {
        if let entry, entry.expires <= now { self.entry = nil }
        if let right, right.ends <= now { self.right = nil }
    }

    /// The store's clock, so that numbers also increase after the store has lost its data.
    private func nextNumber(at now: Int64) -> Int64 { max(now, (entry?.number ?? 0) + 1) }
}
