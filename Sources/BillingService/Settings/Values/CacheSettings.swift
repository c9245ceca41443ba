import Adapters
import Domain

/// The checked settings of the cache.
enum CacheSettings {
    static func rules(_ reader: inout SettingsReader, machine: Machine) -> CacheRules {
        let settings = Settings.cache
        var rules = CacheRules()
        rules.ttl = reader.value(settings.ttl)
        rules.staleWhileRevalidate = reader.value(settings.staleWhileRevalidate)
        rules.staleIfError = reader.value(settings.staleIfError)
        rules.failureTTL = reader.value(settings.failureTTL)
        rules.refreshAhead = reader.value(settings.refreshAhead)
        rules.sharedLookupTimeMax = reader.value(Settings.state.lookupTimeout)
        let mebi = 1 << 20
        let defaultBytes = max(mebi, min(256 * mebi, machine.memoryBytes / 4))
        rules.bytesMax = reader.value(settings.maxBytes, default: defaultBytes)
        if rules.bytesMax > machine.memoryBytes / 2 {
            reader.report(
                settings.maxBytes,
                "\(rules.bytesMax / mebi) MiB is more than half of the available memory of \(machine.memoryBytes / mebi) MiB"
            )
        }
        return rules
    }

    static func accountLists(_ reader: inout SettingsReader, machine: Machine) -> AccountListCache.Rules {
        var rules = AccountListCache.Rules()
        let defaultBytes = min(64 << 20, machine.memoryBytes / 16)
        rules.recordBytesMax = reader.value(Settings.cache.accountRecordsMaxBytes, default: defaultBytes)
        return rules
    }

    /// - Returns: The time between two refreshes of all accounts; zero if they are not refreshed in the background.
    static func refreshInterval(_ reader: inout SettingsReader, ttl: Duration) -> Duration {
        let interval = reader.value(Settings.cache.refreshInterval)
        if interval > ttl {
            reader.report(
                Settings.cache.refreshInterval,
                "must not exceed \(Settings.cache.ttl.key): responses would expire before they are refreshed")
        }
        return interval
    }
}
