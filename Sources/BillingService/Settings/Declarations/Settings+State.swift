extension Settings {
    /// What the service records about changes of accounts.
    struct State: SettingGroup {
        static let title = "State of changes"

        let file = Setting(
            "state.file", .path,
            "SQLite file with the idempotency keys of changes, on a local disk; created if it is missing. Beside it, a file with the ending -answers has the cached answers. Without it and state.url, both are in memory: a change that is repeated after a restart is sent again, and the cache is empty."
        )
        let url = Setting(
            "state.url", .redisURL,
            "Redis or Valkey, shared by all replicas: redis://host:port/database, or rediss:// with TLS; a user may precede the host. For a cluster, some of its nodes, separated by commas. redis+sentinel://host:port,host:port/primary/database and rediss+sentinel:// ask sentinels for the primary. It has the idempotency keys, the access tokens and the cached answers. Cannot be combined with state.file and zoom.token-file."
        )
        let passwordFile = Setting(
            "state.password-file", .path,
            "File with the password of Redis. It is read before each connection, so that the password can be changed."
        )
        let user = Setting(
            "state.user", .word("name"),
            "ACL user of Redis, if state.url names none. Without a user, the password is that of the default user."
        )
        let caFile = Setting(
            "state.ca-file", .path,
            "Certificate authorities (PEM) that Redis' certificate is verified with, instead of the system's. Needs rediss://."
        )
        let keyPrefix = Setting(
            "state.key-prefix", .word("prefix"), default: "billing",
            "First part of every key in Redis. Services that share a Redis and not their state need different prefixes."
        )
        let lookupTimeout = Setting(
            "state.lookup-timeout", .duration(.milliseconds(5) ... .seconds(10)), default: .milliseconds(50),
            "How long a request that is not in the cache waits for the answers in Redis, before the service calls Zoom."
        )
        let window = Setting(
            "idempotency.window", .duration(.seconds(3600) ... .seconds(30 * 86_400)), default: .seconds(86_400),
            "How long an idempotency key and the outcome of its change are remembered, from the time when the outcome was known. A key whose outcome is unknown is remembered until it is known."
        )
        let writeInterval = Setting(
            "state.write-interval", .duration(.milliseconds(100) ... .seconds(600)), default: .seconds(5),
            "How long a change of a cached answer may wait until it is written. A process that is killed loses the answers of this time."
        )
        let retention = Setting(
            "state.retention", .duration(.seconds(60) ... .seconds(365 * 86_400), orZero: true),
            default: .seconds(30 * 86_400),
            "How long a cached answer may be in the file. 0s stores no answers, and removes those that are stored."
        )
    }
}
