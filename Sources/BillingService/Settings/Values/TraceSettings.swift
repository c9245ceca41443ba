import Adapters
import NIOCore

/// The checked settings of tracing.
struct TraceSettings: Sendable {
    var collector: HTTPURL?
    var share: Double

    private static let defaultPath = "/v1/traces"

    init(_ reader: inout SettingsReader) {
        share = reader.value(Settings.trace.sample)
        collector = reader.optional(Settings.trace.url)
    }

    /// - Returns: nil if tracing is off.
    /// - Throws: `ConfigurationProblem` if the system has no CA certificates.
    func exporter() throws(ConfigurationProblem) -> SpanExporter.Configuration? {
        guard let collector else { return nil }
        var http = HTTPClient.Configuration()
        // Few collectors support HTTP/2 in clear text.
        http.clearProtocol = .http1
        if collector.origin.scheme == .https {
            do throws(TLSFailure) {
                http.tls = try TLSContext(clientTrusting: nil)
            } catch {
                throw ConfigurationProblem(Settings.trace.url.definition, error)
            }
        }
        let path = collector.path.isEmpty ? Self.defaultPath : collector.path
        return SpanExporter.Configuration(origin: collector.origin, path: path, http: http)
    }
}
