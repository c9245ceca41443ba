import Adapters
import NIOCore

/// How the listener that programs call treats its peers, every value checked.
struct ListenerSettings: Sendable {
    var host: String
    var port: Int
    var eventLoops: Int
    var tls: ServerCertificate.Files?
    var trustedProxies: [AddressRange]
    var forwardedField: ForwardedField.Name
    var callersFailures: Limits.Rate

    /// All but its TLS.
    var configuration: HTTPServer.Configuration

    static let all: [Setting] = [
        .httpHost, .httpPort, .httpEventLoops, .httpTLSCertificate, .httpTLSKey, .httpTLSClientCA,
        .httpTrustedProxies, .httpProxyProtocolTrusted, .httpForwardedField, .httpHandshakeTimeout, .httpHeadersTimeout,
        .httpRequestTimeout, .httpBodySilenceTimeout, .httpWriteProgressTimeout, .httpWriteProgressBulkTimeout,
        .httpIdleTimeout, .httpKeepaliveTimeout, .httpKeepaliveAnswerTimeout, .httpSettingsTimeout,
        .httpConnectionAge, .httpConnectionRequests, .shutdownDelay, .shutdownGrace,
        .httpStreamsLimit, .httpHeaderListBytesLimit, .httpHeaderFieldsLimit, .httpRequestBytesLimit,
        .httpPathBytesLimit, .httpBodyBytesLimit, .httpBodyRateLimit, .httpResetsLimit, .httpStreamErrorsLimit,
        .httpControlFramesLimit, .httpOverheadBytesLimit, .httpEmptyDataLimit, .httpWindowUpdatesLimit,
        .httpStreamWriteBytesLimit, .httpConnectionWriteBytesLimit, .httpConnectionsLimit,
        .httpConnectionsPerAddressLimit, .httpHandshakesLimit, .httpRequestsInFlightLimit, .httpBuffersLimit,
        .httpStreamWindow, .httpConnectionWindow, .callersFailures,
    ]

    init(_ reader: inout SettingsReader, isSandbox: Bool, machine: Machine) {
        host = reader.text(.httpHost) ?? ""
        tls = Self.tls(certificate: .httpTLSCertificate, key: .httpTLSKey, &reader)
        let clientCA = reader.text(.httpTLSClientCA)
        if clientCA != nil, tls == nil {
            reader.report(.httpTLSClientCA, "has no meaning without http.tls.certificate")
        }
        tls?.clientCA = clientCA
        port = reader.integer(.httpPort, in: 0...65_535, default: tls == nil ? 8080 : 8443)
        let chosen = reader.integer(.httpEventLoops, in: 0...256)
        eventLoops = chosen > 0 ? chosen : machine.processors
        trustedProxies = reader.ranges(.httpTrustedProxies)

        forwardedField = reader.choice(.httpForwardedField) ?? .xForwardedFor
        callersFailures = reader.rate(.callersFailures)

        configuration = HTTPServer.Configuration()
        configuration.trustedProxies = trustedProxies
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
        configuration.limits = Self.limits(&reader, machine)
    }

    private static func limits(_ reader: inout SettingsReader, _ machine: Machine) -> Limits {
        let kibi = 1 << 10
        let mebi = 1 << 20
        var limits = Limits()
        limits.requestsPerConnectionMax = reader.integer(.httpConnectionRequests, in: 1...1_000_000_000)
        limits.streamsOpenMax = reader.integer(.httpStreamsLimit, in: 1...10_000)
        limits.headerListBytesMax = reader.bytes(.httpHeaderListBytesLimit, in: kibi...mebi)
        limits.headerFieldsMax = reader.integer(.httpHeaderFieldsLimit, in: 10...10_000)
        limits.requestBytesMax = reader.bytes(.httpRequestBytesLimit, in: 16 * kibi...64 * mebi)
        limits.pathBytesMax = reader.bytes(.httpPathBytesLimit, in: 256...64 * kibi)
        limits.requestLineBytesMax = 2 * limits.pathBytesMax
        limits.bodyBytesMax = reader.bytes(.httpBodyBytesLimit, in: kibi...64 * mebi)
        limits.bodyBytesPerSecondMin = reader.bytes(.httpBodyRateLimit, in: 0...1_000_000)
        limits.resets = reader.rate(.httpResetsLimit)
        limits.streamErrors = reader.rate(.httpStreamErrorsLimit)
        limits.controlFrames = reader.rate(.httpControlFramesLimit)
        limits.overheadBytesMax = reader.bytes(.httpOverheadBytesLimit, in: 64 * kibi...1024 * mebi)
        limits.emptyDataFramesMax = reader.integer(.httpEmptyDataLimit, in: 1...100_000)
        limits.windowUpdatesSpare = reader.integer(.httpWindowUpdatesLimit, in: 10...100_000)
        limits.streamWriteBytesMax = reader.bytes(.httpStreamWriteBytesLimit, in: 16 * kibi...16 * mebi)
        limits.connectionWriteBytesMax = reader.bytes(.httpConnectionWriteBytesLimit, in: 64 * kibi...64 * mebi)
        limits.streamWindowBytes = Int32(reader.bytes(.httpStreamWindow, in: 16 * kibi...16 * mebi))
        limits.connectionWindowBytes = Int32(reader.bytes(.httpConnectionWindow, in: 64 * kibi...64 * mebi))
        limits.connectionsPerAddressMax = reader.integer(.httpConnectionsPerAddressLimit, in: 1...1_000_000)
        limits.handshakesMax = reader.integer(.httpHandshakesLimit, in: 1...100_000)
        limits.requestsInFlightMax = reader.integer(.httpRequestsInFlightLimit, in: 1...1_000_000)
        limits.bufferBytesMax = reader.bytes(
            .httpBuffersLimit, in: 8 * mebi...(1 << 40), default: max(8 * mebi, machine.memoryBytes / 4))
        limits.connectionsMax = reader.integer(.httpConnectionsLimit, in: 1...1_000_000)
        fit(&limits, &reader, machine)
        return limits
    }

    /// Sees to it that the limits, multiplied, stay within what the machine has.
    private static func fit(_ limits: inout Limits, _ reader: inout SettingsReader, _ machine: Machine) {
        let mebi = 1 << 20
        guard limits.bufferBytesMax <= machine.memoryBytes / 4 * 3 else {
            reader.report(
                .httpBuffersLimit,
                "\(limits.bufferBytesMax / mebi) MiB is more than three quarters of the memory at hand, which is \(machine.memoryBytes / mebi) MiB"
            )
            return
        }
        let perConnection = limits.worstConnectionBytes
        if perConnection > limits.bufferBytesMax / 2 {
            reader.report(
                .httpBuffersLimit,
                "one connection could take \(perConnection / mebi) MiB of \(limits.bufferBytesMax / mebi): lower http.limits.streams, stream-write-bytes, connection-write-bytes, connection-request-bytes or http.window.connection, or raise this"
            )
        }
        let room = limits.bufferBytesMax / ServerLoad.connectionBytes
        if limits.connectionsMax > room {
            reader.lower(
                .httpConnectionsLimit, to: room,
                because:
                    "each holds \(ServerLoad.connectionBytes / 1024) KiB, and http.limits.buffers-total is \(limits.bufferBytesMax / mebi) MiB"
            )
            limits.connectionsMax = room
        }
        let descriptors = max(1, machine.openFilesMax - Machine.otherFiles)
        if limits.connectionsMax > descriptors {
            reader.lower(
                .httpConnectionsLimit, to: descriptors,
                because: "\(machine.openFilesMax) files may be open (ulimit -n), \(Machine.otherFiles) of them others")
            limits.connectionsMax = descriptors
        }
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
