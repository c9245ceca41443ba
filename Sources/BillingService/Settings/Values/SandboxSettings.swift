import Adapters
import Domain

/// The checked settings of a sandbox, embedded or not.
struct SandboxSettings: Sendable {
    var accounts: Int
    var limits: SandboxConfiguration.Limits
    var seed: UInt64
    var tokens: SandboxConfiguration.Tokens
    var latency: Duration
    var pdfBytes: Int
    var start: Timestamp?
    var faults: [SandboxFault]

    init(_ reader: inout SettingsReader) {
        let settings = Settings.sandbox
        accounts = reader.value(settings.accounts)
        limits = reader.value(settings.limits)
        seed = UInt64(reader.value(settings.seed))
        tokens = reader.value(settings.tokens)
        latency = reader.value(settings.latency)
        pdfBytes = reader.value(settings.pdfSize)
        start = reader.optional(settings.now)
        faults = Self.faults(&reader)
    }

    private static let faultsBytesMax = 1 << 20

    private static func faults(_ reader: inout SettingsReader) -> [SandboxFault] {
        guard let path = reader.optional(Settings.sandbox.faultsFile) else { return [] }
        do throws(FileProblem) {
            // It contains no secrets and is read once, so other users may access it, and it may be a pipe.
            let bytes = try InputFile.read(path, bytesMax: faultsBytesMax)
            do throws(DocumentProblem) {
                return try SandboxFault.list(parsing: bytes)
            } catch {
                reader.report(Settings.sandbox.faultsFile, "\(path): \(error)")
            }
        } catch {
            reader.report(Settings.sandbox.faultsFile, "\(error)")
        }
        return []
    }
}
