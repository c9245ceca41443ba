import Synchronization

/// What writes changed of an account. Everything else is computed from the number of the account.
struct SandboxAccountRecord: Sendable {
    var mode = SandboxAccountMode.regular

    /// The fields of the billing contact that writes set, by Zoom's names.
    var contact: [String: String] = [:]

    /// `nil` if no write changed the plans.
    var plans: SandboxPlans?

    /// `nil` if no write changed the plans.
    var charges: SandboxCharges?
}

/// The records of the accounts that were written to.
final class SandboxRecords: Sendable {
    private let records = Mutex<[Int: SandboxAccountRecord]>([:])

    /// `nil` for an account that was not written to.
    subscript(_ account: Int) -> SandboxAccountRecord? {
        records.withLock { $0[account] }
    }

    /// Changes a record, which is `nil` until the first change is stored. Changes happen one after the other.
    func change<Result: Sendable>(_ account: Int, _ change: (inout SandboxAccountRecord?) -> Result) -> Result {
        records.withLock { change(&$0[account]) }
    }
}
