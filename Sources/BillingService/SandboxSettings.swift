import Adapters
import Domain

/// What a sandbox needs to know.
struct SandboxSettings: Sendable {
    var accounts: Int
    var limits: SandboxConfiguration.Limits
    var seed: UInt64
    var tokens: SandboxConfiguration.Tokens
    var latency: Duration
    var start: Timestamp?
    var faults: [SandboxFault]

    static let all: [Setting] = [
        .sandboxAccounts, .sandboxLimits, .sandboxSeed, .sandboxTokens, .sandboxLatency, .sandboxNow,
        .sandboxFaultsFile,
    ]

    init(_ reader: inout SettingsReader) {
        accounts = reader.integer(.sandboxAccounts, in: 0...10_000_000)
        limits = reader.choice(.sandboxLimits) ?? .none
        seed = UInt64(reader.integer(.sandboxSeed, in: 0...Int.max))
        tokens = reader.choice(.sandboxTokens) ?? .coexisting
        latency = reader.duration(.sandboxLatency, in: .zero ... .seconds(60))
        if let text = reader.text(.sandboxNow) {
            start = Timestamp(rfc3339: text)
            if start == nil { reader.report(.sandboxNow, "must be a time like 2026-01-31T12:00:00Z") }
        }
        faults = Self.faults(&reader)
    }

    private static let faultsBytesMax = 1 << 20

    private static func faults(_ reader: inout SettingsReader) -> [SandboxFault] {
        guard let path = reader.text(.sandboxFaultsFile) else { return [] }
        do throws(FileProblem) {
            // It holds no secrets and is read once: it may be shared, or a pipe.
            let bytes = try InputFile.read(path, bytesMax: faultsBytesMax)
            do throws(DocumentProblem) {
                return try SandboxFault.list(parsing: bytes)
            } catch {
                reader.report(.sandboxFaultsFile, "\(path): \(error)")
            }
        } catch {
            reader.report(.sandboxFaultsFile, "\(error)")
        }
        return []
    }
}
