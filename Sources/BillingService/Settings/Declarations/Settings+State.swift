extension Settings {
    /// What the service records about changes of accounts.
    struct State: SettingGroup {
        static let title = "State of changes"

        let file = Setting(
            "state.file", .path,
            "SQLite file with the idempotency keys of changes, on a local disk; created if it is missing. Without it, the keys are in memory, and a change that is repeated after a restart is sent again."
        )
        let window = Setting(
            "idempotency.window", .duration(.seconds(3600) ... .seconds(30 * 86_400)), default: .seconds(86_400),
            "How long an idempotency key and the outcome of its change are remembered, from the time when the outcome was known. A key whose outcome is unknown is remembered until it is known."
        )
    }
}
