extension Settings {
    /// What the service records about writes.
    struct State: SettingGroup {
        static let title = "State of writes"

        let file = Setting(
            "state.file", .path,
            "SQLite file with the idempotency keys of writes, on a local disk; created if it is missing. Without it, the keys are in memory, and a write that is repeated after a restart is sent again."
        )
        let window = Setting(
            "idempotency.window", .duration(.seconds(3600) ... .seconds(30 * 86_400)), default: .seconds(86_400),
            "How long an idempotency key and the outcome of its write are remembered after the write has ended. A key with an unknown outcome is remembered until the outcome is known."
        )
    }
}
