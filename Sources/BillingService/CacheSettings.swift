import Adapters
import Domain

/// What is kept of Zoom's answers, and for how long.
enum CacheSettings {
    static let all: [Setting] = [
        .cacheTTL, .cacheMaxBytes, .cacheStaleWhileRevalidate, .cacheStaleIfError, .cacheFailureTTL, .cacheRefreshAhead,
    ]

    static func rules(_ reader: inout SettingsReader, machine: Machine) -> CacheRules {
        let day = Duration.seconds(86_400)
        var rules = CacheRules()
        rules.ttl = reader.duration(.cacheTTL, in: .zero...day)
        rules.staleWhileRevalidate = reader.duration(.cacheStaleWhileRevalidate, in: .zero...day)
        rules.staleIfError = reader.duration(.cacheStaleIfError, in: .zero...(day * 7))
        rules.failureTTL = reader.duration(.cacheFailureTTL, in: .zero ... .seconds(3600))
        rules.refreshAhead = reader.share(.cacheRefreshAhead)
        let mebi = 1 << 20
        let atHand = machine.memoryBytes / 2
        rules.bytesMax = reader.bytes(
            .cacheMaxBytes, in: mebi...(1 << 40), default: max(mebi, min(256 * mebi, machine.memoryBytes / 4)))
        if rules.bytesMax > atHand {
            reader.report(
                .cacheMaxBytes,
                "\(rules.bytesMax / mebi) MiB is more than half of the memory at hand, which is \(machine.memoryBytes / mebi) MiB"
            )
        }
        return rules
    }
}
