import Adapters
import NIOCore

/// How Zoom is reached and treated, every value checked.
struct ZoomSettings: Sendable {
    /// What holds for a master account that says nothing else of itself.
    struct Defaults: Sendable {
        var api: ZoomConfiguration.Endpoint
        var oauth: ZoomConfiguration.Endpoint

        /// `nil` for no limit, which a sandbox without limits has.
        var plan: ZoomPlan?
        var rateShare: Double
    }

    var defaults: Defaults

    /// How connections are made and kept, all but their TLS.
    var http: HTTPClient.Configuration
    var caFile: String?
    var timeout: Duration
    var wait: Duration
    var retryTime: Duration

    static let all: [Setting] = [
        .zoomAPIURL, .zoomOAuthURL, .zoomPlan, .zoomRateShare, .zoomTimeout, .zoomResolveTimeout, .zoomConnectTimeout,
        .zoomTLSTimeout, .zoomFirstByteTimeout, .zoomConnectionAge, .zoomQuiet, .zoomResolveInterval, .zoomCAFile,
        .zoomWait, .zoomRetryTime,
    ]

    /// - Parameter environment: Where `HTTPS_PROXY` and `NO_PROXY` are looked for, in either case.
    init(_ reader: inout SettingsReader, environment: [String: String]) {
        http = Self.http(&reader)
        do throws(ForwardProxies.Problem) {
            http.proxies = try ForwardProxies(environment: environment)
        } catch {
            reader.report(.zoomAPIURL, "\(error)")
        }
        caFile = reader.text(.zoomCAFile)
        timeout = reader.duration(.zoomTimeout, in: .milliseconds(100) ... .seconds(300))
        wait = reader.duration(.zoomWait, in: .zero ... .seconds(300))
        retryTime = reader.duration(.zoomRetryTime, in: .zero ... .seconds(300))
        let api = Self.endpoint(.zoomAPIURL, &reader)
        let oauth = Self.endpoint(.zoomOAuthURL, &reader)
        defaults = Defaults(
            api: api, oauth: oauth, plan: reader.choice(.zoomPlan), rateShare: reader.share(.zoomRateShare))
    }

    private static func http(_ reader: inout SettingsReader) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration.zoom
        func time(_ setting: Setting, secondsMax: Int = 300) -> TimeAmount {
            TimeAmount(reader.duration(setting, in: .milliseconds(10) ... .seconds(secondsMax)))
        }
        configuration.resolve = time(.zoomResolveTimeout)
        configuration.connect = time(.zoomConnectTimeout)
        configuration.tlsHandshake = time(.zoomTLSTimeout)
        configuration.firstByte = time(.zoomFirstByteTimeout)
        configuration.timeouts.connectionAge = time(.zoomConnectionAge, secondsMax: 86_400)
        configuration.quiet = time(.zoomQuiet, secondsMax: 3600)
        configuration.resolveEvery = time(.zoomResolveInterval, secondsMax: 86_400)
        return configuration
    }

    private static func endpoint(_ setting: Setting, _ reader: inout SettingsReader) -> ZoomConfiguration.Endpoint {
        let nowhere = ZoomConfiguration.Endpoint(origin: Origin(scheme: .http, host: "", port: 0), path: "")
        guard let text = reader.text(setting) else { return nowhere }
        do throws(EndpointProblem) {
            return try ZoomConfiguration.Endpoint(parsing: text)
        } catch {
            reader.report(setting, "\(error)")
            return nowhere
        }
    }

    /// What clients of Zoom are made from.
    ///
    /// - Throws: `ConfigurationProblem` if the certificates of `zoom.ca-file` cannot be used.
    func configuration() throws(ConfigurationProblem) -> ZoomConfiguration {
        var configuration = ZoomConfiguration(api: defaults.api, oauth: defaults.oauth)
        configuration.waitMax = wait
        configuration.retryTime = retryTime
        configuration.timeout = TimeAmount(timeout)
        configuration.http = http
        configuration.http.tls = try tls()
        return configuration
    }

    /// - Throws: `ConfigurationProblem` if the certificates of `zoom.ca-file` cannot be used.
    func tls() throws(ConfigurationProblem) -> TLSContext {
        do throws(TLSFailure) {
            return try TLSContext(clientTrusting: caFile)
        } catch {
            throw ConfigurationProblem(lines: ["\(Setting.zoomCAFile.key): \(error)"])
        }
    }
}
