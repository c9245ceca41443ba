/// Repeats one call of a job until it succeeds or `BulkRetry` gives up, and waits between the attempts.
struct RetryLoop: Sendable {
    let time: any TimeSource

    /// How long the call is retried.
    let deadline: Duration

    /// The assumed failure rate of the source.
    var share = FailureRate()

    /// - Parameter ask: The call. `isRetry` is false for its first attempt.
    func attempt<Value: Sendable>(
        _ ask: (_ isRetry: Bool) async throws(BillingFailure) -> Value
    ) async -> Result<Value, BillingFailure> {
        var retry = BulkRetry(deadline: time.now + deadline)
        var random = SystemRandomNumberGenerator()
        while true {
            do throws(BillingFailure) {
                return .success(try await ask(retry.failures > 0))
            } catch {
                let next: Moment
                switch retry.decide(error, share: share, at: time.now, using: &random) {
                case .fails: return .failure(error)
                case .repeats(let moment), .pauses(let moment): next = moment
                }
                do throws(CancellationError) {
                    try await time.sleep(until: next)
                } catch {
                    return .failure(.cancelled)
                }
            }
        }
    }
}
