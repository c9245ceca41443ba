import Adapters
import NIOCore

/// How the listener that programs call treats its peers, every value checked.
struct ListenerSettings: Sendable {
    var host: String
    var port: Int
    var eventLoops: Int
    var tls: ServerCertificate.Files?
    var trustedProxies: [AddressRange]

    /// All but its TLS.
    var configuration: HTTPServer.Configuration

    static let all: [Setting] = [
        .httpHost, .httpPort, .httpEventLoops, .httpTLSCertificate, .httpTLSKey, .httpTLSClientCA,
        .httpTrustedProxies, .httpProxyProtocolTrusted, .httpHandshakeTimeout, .httpHeadersTimeout,
        .httpRequestTimeout, .httpBodySilenceTimeout, .httpWriteProgressTimeout, .httpWriteProgressBulkTimeout,
        .httpIdleTimeout, .httpKeepaliveTimeout, .httpKeepaliveAnswerTimeout, .httpSettingsTimeout,
        .httpConnectionAge, .httpConnectionRequests, .shutdownDelay, .shutdownGrace,
    ]

    init(_ reader: inout SettingsReader, isSandbox: Bool) {
        host = reader.text(.httpHost) ?? ""
        tls = Self.tls(certificate: .httpTLSCertificate, key: .httpTLSKey, &reader)
        let clientCA = reader.text(.httpTLSClientCA)
        if clientCA != nil, tls == nil {
            reader.report(.httpTLSClientCA, "has no meaning without http.tls.certificate")
        }
        tls?.clientCA = clientCA
        port = reader.integer(.httpPort, in: 0...65_535, default: tls == nil ? 8080 : 8443)
        eventLoops = reader.integer(.httpEventLoops, in: 0...256)
        trustedProxies = reader.ranges(.httpTrustedProxies)

        configuration = HTTPServer.Configuration()
        configuration.proxyProtocolTrusted = reader.ranges(.httpProxyProtocolTrusted)
        configuration.shutdownDelay = TimeAmount(
            reader.duration(
                .shutdownDelay, in: .zero ... .seconds(3600), default: isSandbox ? .zero : .seconds(5)))
        configuration.shutdownGrace = TimeAmount(reader.duration(.shutdownGrace, in: .zero ... .seconds(3600)))
        func time(_ setting: Setting, hoursMax: Int = 1) -> TimeAmount {
            TimeAmount(reader.duration(setting, in: .milliseconds(10) ... .seconds(3600 * hoursMax)))
        }
        configuration.timeouts.handshake = time(.httpHandshakeTimeout)
        configuration.timeouts.headers = time(.httpHeadersTimeout)
        configuration.timeouts.request = time(.httpRequestTimeout)
        configuration.timeouts.bodySilence = time(.httpBodySilenceTimeout)
        configuration.timeouts.writeProgress = time(.httpWriteProgressTimeout)
        configuration.timeouts.writeProgressBulk = time(.httpWriteProgressBulkTimeout, hoursMax: 24)
        configuration.timeouts.idle = time(.httpIdleTimeout, hoursMax: 24)
        configuration.timeouts.keepalive = time(.httpKeepaliveTimeout)
        configuration.timeouts.keepaliveAnswer = time(.httpKeepaliveAnswerTimeout)
        configuration.timeouts.settingsAcknowledgement = time(.httpSettingsTimeout)
        configuration.timeouts.connectionAge = time(.httpConnectionAge, hoursMax: 168)
        configuration.limits.requestsPerConnectionMax = reader.integer(.httpConnectionRequests, in: 1...1_000_000_000)
    }

    /// A certificate and its key, which come together.
    static func tls(
        certificate: Setting, key: Setting, _ reader: inout SettingsReader
    ) -> ServerCertificate.Files? {
        switch (reader.text(certificate), reader.text(key)) {
        case (let certificate?, let key?): return ServerCertificate.Files(certificate: certificate, key: key)
        case (nil, nil): return nil
        case (_?, nil):
            reader.report(key, "is needed together with \(certificate.key)")
            return nil
        case (nil, _?):
            reader.report(certificate, "is needed together with \(key.key)")
            return nil
        }
    }
}
