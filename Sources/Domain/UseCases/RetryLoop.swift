/// Repeats one call of a job as `BulkRetry` says, and waits in between.
struct RetryLoop: Sendable {
    let time: any TimeSource

    /// How long it is repeated.
    let deadline: Duration

    /// How often the source is taken to fail.
    var share = FailureRate()

    /// - Parameter ask: Is told whether it is a retry.
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
