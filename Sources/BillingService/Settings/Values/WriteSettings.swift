import Adapters
import Domain

/// The checked settings of changes of accounts.
struct WriteSettings: Sendable {
    /// The rules of requests. `sendTimeMax` depends on other settings.
    var rules = WriteAccount.Rules()

    /// The rules of plans and contacts.
    var contents = WriteRules()

    /// A change is not sent later than this before its caller is answered 504.
    private static let spareTime = Duration.seconds(1)
    private static let sendTimeMin = Duration.seconds(5)

    /// - Parameters:
    ///   - requestTimeout: `http.timeouts.request`.
    ///   - zoomTimeout: `zoom.timeout`.
    init(_ reader: inout SettingsReader, requestTimeout: Duration, zoomTimeout: Duration) {
        let settings = Settings.writes
        rules.requiresKey = reader.value(settings.requiresKey)
        rules.requiresPrecondition = reader.value(settings.requiresPrecondition)
        rules.requiresDurableStore = reader.value(settings.requiresDurable)
        rules.queueTimeout = reader.value(settings.queueTimeout)
        rules.sendTimeMax = max(Self.sendTimeMin, requestTimeout - zoomTimeout - Self.spareTime)
        contents.isStrict = reader.value(Settings.zoom.strictPlans)
    }
}
