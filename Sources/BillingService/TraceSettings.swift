import Adapters
import FoundationEssentials
import NIOCore

/// Where spans are sent, if anywhere.
struct TraceSettings: Sendable {
    var collector: (origin: Origin, path: String)?
    var share: Double

    static let all: [Setting] = [.traceURL, .traceSample]

    init(_ reader: inout SettingsReader) {
        share = reader.share(.traceSample)
        guard let text = reader.text(.traceURL) else { return }
        guard let url = URL(string: text), let scheme = url.scheme.flatMap(Origin.Scheme.init), let host = url.host(),
            !host.isEmpty, url.query() == nil, url.fragment() == nil, url.user() == nil
        else {
            reader.report(
                .traceURL,
                "\(Setting.traceURL.shown(text)) is not an address such as http://collector:4318/v1/traces; it can have "
                    + "neither a password nor a query")
            return
        }
        let port = url.port ?? (scheme == .https ? 443 : 80)
        guard (1...65_535).contains(port) else {
            reader.report(.traceURL, "\(Setting.traceURL.shown(text)) has no port from 1 to 65535")
            return
        }
        let name = host.filter { $0 != "[" && $0 != "]" }
        collector = (Origin(scheme: scheme, host: name, port: port), url.path().isEmpty ? "/v1/traces" : url.path())
    }

    /// What sends spans there.
    ///
    /// - Throws: `ConfigurationProblem` where the system has no certificates to trust.
    func exporter() throws(ConfigurationProblem) -> SpanExporter.Configuration? {
        guard let collector else { return nil }
        var http = HTTPClient.Configuration()
        // Collectors seldom speak HTTP/2 in clear text.
        http.clearProtocol = .http1
        if collector.origin.scheme == .https {
            do throws(TLSFailure) {
                http.tls = try TLSContext(clientTrusting: nil)
            } catch {
                throw ConfigurationProblem(lines: ["\(Setting.traceURL.key): \(error)"])
            }
        }
        return SpanExporter.Configuration(origin: collector.origin, path: collector.path, http: http)
    }
}
