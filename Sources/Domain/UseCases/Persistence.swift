/// Asks again while the source is not to be asked yet, at growing distances. What has failed when it was asked has been tried
/// again by the source.
struct Persistence: Sendable {
    /// The first wait, doubled each time.
    private static let firstPause = Duration.milliseconds(500)

    let time: any TimeSource

    /// How long it is tried.
    let deadline: Duration

    /// - Parameter waiting: Hears whether it waits for the source's budget.
    func attempt<Value: Sendable>(
        waiting: (Bool) -> Void = { _ in }, _ ask: () async throws(BillingFailure) -> Value
    ) async -> Result<Value, BillingFailure> {
        let end = time.now + deadline
        var delay = Self.firstPause
        while true {
            do throws(BillingFailure) {
                return .success(try await ask())
            } catch {
                let pause: Duration
                var isBudget = false
                switch error {
                case .budgetSpent(let retryAfter):
                    pause = max(delay, retryAfter)
                    isBudget = true
                case .sourceUnavailable(let retryAfter): pause = max(delay, retryAfter)
                case .invalid, .selfPay, .accountNotFound, .scopeMissing, .dayBudgetSpent, .credentialsRefused,
                    .permissionMissing, .sourceFailed, .timedOut, .notKept, .cancelled:
                    return .failure(error)
                }
                let next = time.now + pause
                guard next < end else { return .failure(error) }
                if isBudget { waiting(true) }
                defer { if isBudget { waiting(false) } }
                do {
                    try await time.sleep(until: next)
                } catch {
                    return .failure(.cancelled)
                }
                delay *= 2
            }
        }
    }
}
