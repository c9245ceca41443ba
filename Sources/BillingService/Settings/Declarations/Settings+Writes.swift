import Adapters

extension Settings {
    /// How accounts are changed.
    struct Writes: SettingGroup {
        static let title = "Changes of accounts"

        let requiresKey = Setting(
            "writes.require-key", .boolean, default: true,
            "Whether a change needs the field Idempotency-Key. A change without a key is made again when its caller repeats it."
        )
        let requiresPrecondition = Setting(
            "writes.require-if-match", .boolean, default: false,
            "Whether a change of billing information needs If-Match or If-Unmodified-Since, so that it cannot undo a change that its caller has not seen."
        )
        let requiresDurable = Setting(
            "writes.require-durable", .boolean, default: false,
            "Whether changes are refused (503 state-not-durable) while the store of their keys cannot promise that a key survives a failure: without state.file and state.url, or unless Redis has appendonly yes, appendfsync always and no eviction."
        )
        let queueTimeout = Setting(
            "writes.queue-timeout", .duration(.milliseconds(10) ... .seconds(60)), default: .seconds(2),
            "How long a change may wait for a permit of the rate limiter, and for another change of its account; then it is answered 429 or 409, and nothing is sent. Prefer: wait shortens it."
        )
    }
}
