import Adapters
import FoundationEssentials

/// A text is no address of Zoom's that may be used.
struct EndpointProblem: Error, CustomStringConvertible {
    let description: String
}

extension ZoomConfiguration.Endpoint {
    /// In clear text to this machine alone: a token must not cross a network for all to see.
    init(parsing text: String) throws(EndpointProblem) {
        func problem(_ reason: String) -> EndpointProblem {
            EndpointProblem(description: "\"\(LogText.shown(URLText.masked(text)))\" \(reason)")
        }
        guard let url = URL(string: text), let scheme = url.scheme.flatMap(Origin.Scheme.init), let host = url.host(),
            !host.isEmpty, url.query() == nil, url.fragment() == nil, url.user() == nil
        else {
            throw problem("is not an address such as https://host/path; it can have neither a password nor a query")
        }
        guard scheme == .https || Loopback.includes(host) else {
            throw problem("would send credentials in clear text off this machine")
        }
        let port = url.port ?? (scheme == .https ? 443 : 80)
        guard (1...65_535).contains(port) else { throw problem("has no port from 1 to 65535") }
        let origin = Origin(scheme: scheme, host: host.filter { $0 != "[" && $0 != "]" }, port: port)
        let path = url.path()
        self.init(origin: origin, path: path.hasSuffix("/") ? String(path.dropLast()) : path)
    }

    /// The same on another host: `host` or `host:port`.
    func on(_ host: String?) throws(EndpointProblem) -> Self {
        guard let host else { return self }
        return try Self(parsing: "\(origin.scheme.rawValue)://\(host)\(path)")
    }
}
