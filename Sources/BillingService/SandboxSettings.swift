import Adapters

/// What a sandbox needs to know.
struct SandboxSettings: Sendable {
    var accounts: Int
    var limits: SandboxConfiguration.Limits
    var seed: UInt64

    init(_ reader: inout SettingsReader) {
        accounts = reader.integer(.sandboxAccounts, in: 0...10_000_000)
        limits = reader.choice(.sandboxLimits) ?? .none
        seed = UInt64(reader.integer(.sandboxSeed, in: 0...Int.max))
    }
}
