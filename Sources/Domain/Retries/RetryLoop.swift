/// Repeats one call of a job until it succeeds or `BulkRetry` gives up, and waits between the attempts.
struct RetryLoop: Sendable {
    let time: any TimeSource

    /// How long the call is retried.
    let deadline: Duration

    /// The assumed failure rate of the source.
    var failureRate = FailureRate()

    /// - Parameter call: The call. `isRetry` is false for its first attempt.
    func attempt<Value: Sendable>(
        _ call: (_ isRetry: Bool) async throws(BillingFailure) -> Value
    ) async -> Result<Value, BillingFailure> {
        var retry = BulkRetry(deadline: time.now + deadline)
        var random = SystemRandomNumberGenerator()
        while true {
            do throws(BillingFailure) {
                return .success(try await call(retry.failures > 0))
            } catch {
                let next: Moment
                switch retry.decide(error, failureRate: failureRate, at: time.now, using: &random) {
                case .giveUp: return .failure(error)
                case .retry(let moment), .pause(let moment): next = moment
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
