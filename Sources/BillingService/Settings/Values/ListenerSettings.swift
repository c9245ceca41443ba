import Adapters
import NIOCore

/// The checked settings of the listener that API clients connect to.
struct ListenerSettings: Sendable {
    var host: String
    var port: Int
    var eventLoops: Int
    var tls: ServerCertificate.Files?
    var trustedProxies: [AddressRange]
    var forwardedField: ForwardedField.Name
    var callerFailures: Limits.Rate

    /// Without the TLS configuration, which needs the certificates.
    var configuration: HTTPServer.Configuration

    init(_ reader: inout SettingsReader, isSandbox: Bool, machine: Machine) {
        let settings = Settings.http
        host = reader.value(settings.host)
        tls = Self.tls(certificate: settings.tlsCertificate, key: settings.tlsKey, &reader)
        let clientCA = reader.optional(settings.tlsClientCA)
        if clientCA != nil, tls == nil {
            reader.report(settings.tlsClientCA, "requires \(settings.tlsCertificate.key)")
        }
        tls?.clientCA = clientCA
        port = reader.value(settings.port, default: tls == nil ? 8080 : 8443)
        let chosen = reader.value(settings.eventLoops)
        eventLoops = chosen > 0 ? chosen : machine.processors
        trustedProxies = reader.value(settings.trustedProxies)
        forwardedField = reader.value(settings.forwardedField)

        configuration = HTTPServer.Configuration()
        configuration.trustedProxies = trustedProxies
        configuration.proxyProtocolTrusted = reader.value(settings.proxyProtocolTrusted)
        configuration.shutdownDelay = TimeAmount(
            reader.value(Settings.shutdown.delay, default: isSandbox ? .zero : .seconds(5)))
        configuration.shutdownGrace = TimeAmount(reader.value(Settings.shutdown.grace))
        Self.read(&configuration.timeouts, &reader)
        configuration.limits = Limits()
        configuration.limits.requestsPerConnectionMax = reader.value(Settings.timeouts.connectionRequests)
        callerFailures = reader.value(Settings.limits.callerFailures)
        Self.read(&configuration.limits, &reader, machine)
    }

    private static func read(_ timeouts: inout Timeouts, _ reader: inout SettingsReader) {
        let settings = Settings.timeouts
        timeouts.handshake = TimeAmount(reader.value(settings.handshake))
        timeouts.headers = TimeAmount(reader.value(settings.headers))
        timeouts.request = TimeAmount(reader.value(settings.request))
        timeouts.bodySilence = TimeAmount(reader.value(settings.bodySilence))
        timeouts.writeProgress = TimeAmount(reader.value(settings.writeProgress))
        timeouts.writeProgressBulk = TimeAmount(reader.value(settings.writeProgressBulk))
        timeouts.idle = TimeAmount(reader.value(settings.idle))
        timeouts.keepalive = TimeAmount(reader.value(settings.keepalive))
        timeouts.keepaliveAnswer = TimeAmount(reader.value(settings.keepaliveAnswer))
        timeouts.settingsAcknowledgement = TimeAmount(reader.value(settings.settingsAcknowledgement))
        timeouts.connectionAge = TimeAmount(reader.value(settings.connectionAge))
    }

    private static func read(_ limits: inout Limits, _ reader: inout SettingsReader, _ machine: Machine) {
        let settings = Settings.limits
        limits.streamsOpenMax = reader.value(settings.streams)
        limits.headerListBytesMax = reader.value(settings.headerListBytes)
        limits.headerFieldsMax = reader.value(settings.headerFields)
        limits.requestBytesMax = reader.value(settings.requestBytes)
        limits.pathBytesMax = reader.value(settings.pathBytes)
        limits.requestLineBytesMax = 2 * limits.pathBytesMax
        limits.bodyBytesMax = reader.value(settings.bodyBytes)
        limits.bodyBytesPerSecondMin = reader.value(settings.bodyRate)
        limits.resets = reader.value(settings.resets)
        limits.streamErrors = reader.value(settings.streamErrors)
        limits.controlFrames = reader.value(settings.controlFrames)
        limits.overheadBytesMax = reader.value(settings.overheadBytes)
        limits.emptyDataFramesMax = reader.value(settings.emptyData)
        limits.windowUpdatesSpare = reader.value(settings.windowUpdates)
        limits.streamWriteBytesMax = reader.value(settings.streamWriteBytes)
        limits.connectionWriteBytesMax = reader.value(settings.connectionWriteBytes)
        limits.streamWindowBytes = Int32(reader.value(settings.streamWindow))
        limits.connectionWindowBytes = Int32(reader.value(settings.connectionWindow))
        limits.connectionsPerAddressMax = reader.value(settings.connectionsPerAddress)
        limits.handshakesMax = reader.value(settings.handshakes)
        limits.requestsInFlightMax = reader.value(settings.requestsInFlight)
        limits.bufferBytesMax = reader.value(settings.buffers, default: max(8 << 20, machine.memoryBytes / 4))
        limits.connectionsMax = reader.value(settings.connections)
        fit(&limits, &reader, machine)
    }

    /// Checks that all connections together fit into memory and into the number of open files.
    private static func fit(_ limits: inout Limits, _ reader: inout SettingsReader, _ machine: Machine) {
        let settings = Settings.limits
        let mebi = 1 << 20
        guard limits.bufferBytesMax <= machine.memoryBytes / 4 * 3 else {
            reader.report(
                settings.buffers,
                "\(limits.bufferBytesMax / mebi) MiB is more than three quarters of the available memory of \(machine.memoryBytes / mebi) MiB"
            )
            return
        }
        let perConnection = limits.worstConnectionBytes
        if perConnection > limits.bufferBytesMax / 2 {
            reader.report(
                settings.buffers,
                "one connection could use \(perConnection / mebi) of \(limits.bufferBytesMax / mebi) MiB: raise it, or lower \(settings.streams.key), \(settings.streamWriteBytes.key), \(settings.connectionWriteBytes.key), \(settings.requestBytes.key) or \(settings.connectionWindow.key)"
            )
        }
        let room = limits.bufferBytesMax / ServerLoad.connectionBytes
        if limits.connectionsMax > room {
            reader.lower(
                settings.connections, to: room,
                because:
                    "each uses \(ServerLoad.connectionBytes / 1024) KiB, and \(settings.buffers.key) is \(limits.bufferBytesMax / mebi) MiB"
            )
            limits.connectionsMax = room
        }
        let descriptors = max(1, machine.openFilesMax - Machine.otherFiles)
        if limits.connectionsMax > descriptors {
            reader.lower(
                settings.connections, to: descriptors,
                because:
                    "\(machine.openFilesMax) files may be open (ulimit -n), of which \(Machine.otherFiles) are reserved"
            )
            limits.connectionsMax = descriptors
        }
    }

    /// The files of a certificate and its key; nil if neither is set.
    static func tls(
        certificate: Setting<String>, key: Setting<String>, _ reader: inout SettingsReader
    ) -> ServerCertificate.Files? {
        switch (reader.optional(certificate), reader.optional(key)) {
        case (let certificate?, let key?): return ServerCertificate.Files(certificate: certificate, key: key)
        case (nil, nil): return nil
        case (_?, nil):
            reader.report(key, "is required with \(certificate.key)")
            return nil
        case (nil, _?):
            reader.report(certificate, "is required with \(key.key)")
            return nil
        }
    }
}
