import Adapters
import NIOCore

/// The checked settings of calls to Zoom.
struct ZoomSettings: Sendable {
    /// The defaults for master accounts whose entry in the credentials file does not override them.
    struct Defaults: Sendable {
        var api: ZoomConfiguration.ServiceURL
        var oauth: ZoomConfiguration.ServiceURL

        /// nil for no rate limits, as in a sandbox without them.
        var plan: ZoomPlan?
        var rateShare: Double
    }

    var defaults: Defaults
    var invoiceFiles = ZoomConfiguration.InvoiceFiles()

    /// Without the TLS configuration, which needs the CA certificates.
    var http: HTTPClient.Configuration
    var caFile: String?
    var timeout: Duration
    var wait: Duration
    var retryTime: Duration

    /// nil for the limit of each operation.
    var answerBytesMax: Int?

    /// - Parameter environment: May contain `HTTPS_PROXY` and `NO_PROXY`, in upper or lower case.
    init(_ reader: inout SettingsReader, environment: [String: String]) {
        let settings = Settings.zoom
        http = Self.http(&reader)
        do throws(ForwardProxies.Problem) {
            http.proxies = try ForwardProxies(environment: environment)
        } catch {
            reader.report(settings.apiURL, "\(error)")
        }
        caFile = reader.optional(settings.caFile)
        timeout = reader.value(settings.timeout)
        wait = reader.value(settings.wait)
        retryTime = reader.value(settings.retryTime)
        answerBytesMax = reader.optional(settings.answerMaxBytes)
        let api = reader.value(settings.apiURL)
        defaults = Defaults(
            api: ZoomConfiguration.ServiceURL(api),
            oauth: ZoomConfiguration.ServiceURL(reader.value(settings.oauthURL)), plan: reader.value(settings.plan),
            rateShare: reader.value(settings.rateShare))
        let invoices = reader.value(
            settings.invoiceDownloadURL,
            default: HTTPURL(origin: api.origin, path: defaults.api.path + "/billing/invoices/{invoiceId}/download"))
        // A master account may have another host for the API, which the default follows.
        if reader.isGiven(settings.invoiceDownloadURL) { invoiceFiles.url = ZoomConfiguration.ServiceURL(invoices) }
        invoiceFiles.redirectHosts = reader.value(settings.invoiceDownloadHosts)
    }

    private static func http(_ reader: inout SettingsReader) -> HTTPClient.Configuration {
        let settings = Settings.zoom
        var configuration = HTTPClient.Configuration.zoom
        configuration.resolve = TimeAmount(reader.value(settings.resolveTimeout))
        configuration.connect = TimeAmount(reader.value(settings.connectTimeout))
        configuration.tlsHandshake = TimeAmount(reader.value(settings.tlsTimeout))
        configuration.firstByte = TimeAmount(reader.value(settings.firstByteTimeout))
        configuration.timeouts.connectionAge = TimeAmount(reader.value(settings.connectionAge))
        configuration.idleProbeAfter = TimeAmount(reader.value(settings.pingAfter))
        configuration.resolveEvery = TimeAmount(reader.value(settings.resolveInterval))
        return configuration
    }

    /// The configuration of clients of Zoom.
    ///
    /// - Throws: `ConfigurationProblem` if the certificates of `zoom.ca-file` cannot be used.
    func configuration() throws(ConfigurationProblem) -> ZoomConfiguration {
        var configuration = ZoomConfiguration(api: defaults.api, oauth: defaults.oauth)
        configuration.waitMax = wait
        configuration.retryTime = retryTime
        configuration.timeout = TimeAmount(timeout)
        configuration.answerBytesMax = answerBytesMax
        configuration.invoiceFiles = invoiceFiles
        configuration.http = http
        configuration.http.tls = try tls()
        return configuration
    }

    /// - Throws: `ConfigurationProblem` if the certificates of `zoom.ca-file` cannot be used.
    func tls() throws(ConfigurationProblem) -> TLSContext {
        do throws(TLSFailure) {
            return try TLSContext(clientTrusting: caFile)
        } catch {
            throw ConfigurationProblem(Settings.zoom.caFile.definition, error)
        }
    }
}
