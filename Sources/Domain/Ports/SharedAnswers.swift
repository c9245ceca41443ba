/// Answers of the source that replicas share: the second level behind the cache of each replica.
///
/// The time of the store decides about the age of an answer, so that the clocks of replicas need not agree. Every method throws
/// `SharedAnswersFailure` if the store has not answered within a limit. It may have performed the call.
package protocol SharedAnswers: Sendable {
    /// Looks for the answer to a read.
    ///
    /// - Parameter limit: The longest time to wait for the store.
    func find(
        _ read: AccountRead, under master: Name?, _ wanted: WantedAnswer, within limit: Duration
    ) async throws(SharedAnswersFailure) -> SharedFinding

    /// Looks for the answers to reads of one operation, at most 256.
    ///
    /// - Returns: As many elements as reads: `nil` without an answer.
    func find(
        _ reads: [AccountRead], under master: Name?, within limit: Duration
    ) async throws(SharedAnswersFailure) -> [SharedAnswer?]

    /// Stores an answer, unless the account has changed since its read began, or a newer answer is there. Ends the claim.
    ///
    /// - Parameters:
    ///   - place: What the search had found that was made before the request to the source.
    ///   - timeToLive: After this time the store removes the answer.
    func put(
        _ answer: SharedAnswer, to read: AccountRead, under master: Name?, _ place: SharedPlace,
        timeToLive: Duration, within limit: Duration
    ) async throws(SharedAnswersFailure)

    /// Ends a claim without an answer.
    func release(
        _ read: AccountRead, under master: Name?, within limit: Duration
    ) async throws(SharedAnswersFailure)

    /// Removes the answers to operations for an account, and tells the other replicas. Reads that began earlier can store no
    /// answer any more.
    func record(_ change: SharedChange, within limit: Duration) async throws(SharedAnswersFailure)
}

/// The store could not be reached, or has not answered in time.
package struct SharedAnswersFailure: Error, Sendable, Equatable {
    package init() {}
}

/// An answer that replicas share.
package struct SharedAnswer: Sendable {
    package let encoded: EncodedAnswer
    package let content: StoredContent

    /// The time since the source gave the answer. For `put`, at the moment of its place: negative if the answer came later.
    package let age: Duration
    package let lifetime: Duration

    package init(_ encoded: EncodedAnswer, _ content: StoredContent, age: Duration, lifetime: Duration) {
        self.encoded = encoded
        self.content = content
        self.age = age
        self.lifetime = lifetime
    }
}

/// The ages that a shared answer may have, and whether this replica wants to ask the source if there is none. In milliseconds.
package struct WantedAnswer: Sendable, Equatable {
    /// The maximum age. Negative if no answer may be used.
    package var ageMax: Int64

    /// The time that must remain of the lifetime. Negative if the answer may be stale.
    package var remaining: Int64

    /// The part of the lifetime that may have passed, in 1024ths.
    package var lifetimeParts: Int64

    /// `nil` if the replica does not ask the source, or asks it also while another replica does.
    package var claim: Claim?

    /// The announcement that a replica asks the source. Others wait for its answer.
    package struct Claim: Sendable, Equatable {
        /// After this time the claim ends by itself.
        package let lifetime: Duration

        /// A caller waits for the answer: a claim of a job does not count.
        package let isUrgent: Bool

        package init(lifetime: Duration, isUrgent: Bool) {
            self.lifetime = lifetime
            self.isUrgent = isUrgent
        }
    }

    /// An answer of any age, without a claim.
    package init(ageMax: Int64 = 1 << 50, remaining: Int64 = -1 << 50, lifetimeParts: Int64 = 1 << 20) {
        self.ageMax = ageMax
        self.remaining = remaining
        self.lifetimeParts = lifetimeParts
    }

    package func permits(age: Int64, lifetime: Int64) -> Bool {
        age <= ageMax && age + remaining <= lifetime && age * 1024 <= lifetime * lifetimeParts
    }
}

package enum SharedFinding: Sendable {
    case answer(SharedAnswer, SharedPlace)
    /// There is no such answer. If a claim was wanted, this replica now has it.
    case absent(SharedPlace)
    /// There is no such answer, and another replica asks the source.
    case claimed(SharedPlace)
}

/// What the store knows of the changes of an account, for one operation.
package struct SharedPlace: Sendable, Equatable {
    /// Identifies the last change; empty if there was none.
    package let version: [UInt8]

    /// The time since the last change; `nil` if there was none.
    package let sinceChange: Duration?

    /// A change is in flight. Then no claim is given, since no answer can be stored.
    package let isChanging: Bool

    /// When it was found, by the clock of the store, in milliseconds. A call that the store performs late can so be recognized.
    package let time: Int64

    package init(version: [UInt8], sinceChange: Duration?, isChanging: Bool, time: Int64) {
        self.version = version
        self.sinceChange = sinceChange
        self.isChanging = isChanging
        self.time = time
    }
}

/// A change of an account.
package struct SharedChange: Sendable, Hashable {
    package enum Phase: Sendable, Hashable {
        /// The change is about to be sent.
        case began
        case ended
    }

    package let account: AccountID

    /// The operations whose answers may have become wrong.
    package let operations: [Operation]
    package let phase: Phase

    package init(account: AccountID, operations: [Operation], phase: Phase) {
        self.account = account
        self.operations = operations
        self.phase = phase
    }
}

/// What a replica learns of the changes that other replicas make.
package enum SharedAnswersEvent: Sendable, Equatable {
    /// From now on, every change is reported.
    case connected
    /// Changes may be missed until `connected`.
    case lost
    case changed(SharedChange)
}
