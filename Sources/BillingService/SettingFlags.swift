import ArgumentParser

extension Option where Value == String? {
    /// The flag of a setting. What it holds is checked with everything else, not here, so that a wrong value is told in
    /// the same words wherever it comes from.
    init(_ setting: Setting) {
        let defaultText = setting.defaultText.flatMap { $0.isEmpty ? nil : " (default: \($0))" } ?? ""
        var help = ArgumentHelp(stringLiteral: setting.summary + defaultText)
        help.valueName = setting.valueName
        self.init(name: .customLong(setting.flagName), help: help)
    }
}

extension Flag where Value == Bool {
    /// The flag of a setting that is on or off.
    init(wrappedValue: Bool, _ setting: Setting) {
        self.init(
            wrappedValue: wrappedValue, name: .customLong(setting.flagName),
            help: ArgumentHelp(stringLiteral: setting.summary))
    }
}

/// A group of flags that knows which settings they are.
protocol SettingFlags: ParsableArguments {
    /// Those that were given.
    var values: [Setting: String] { get }
}

extension [any SettingFlags] {
    var values: [Setting: String] {
        reduce(into: [:]) { $0.merge($1.values) { first, _ in first } }
    }
}

/// Where settings may be written down.
struct ConfigurationFlag: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: "JSON file with settings, nested by the dots of their names: {\"http\": {\"port\": 8080}}.")
    var file: String?
}

/// The flags of every command that runs or asks a service.
struct CommonFlags: SettingFlags {
    @OptionGroup var configuration: ConfigurationFlag

    @Flag(name: .customLong("print-config"), help: "Print the settings that result, and exit.")
    var printsConfiguration = false

    @Option(.logLevel) var logLevel
    @Option(.logFormat) var logFormat

    var values: [Setting: String] {
        [.logLevel: logLevel, .logFormat: logFormat].compactMapValues { $0 }
    }
}

/// The flags of the listener that programs call.
struct HTTPFlags: SettingFlags {
    @Option(.httpHost) var host
    @Option(.httpPort) var port
    @Option(.httpEventLoops) var eventLoops
    @Option(.httpTLSCertificate) var tlsCertificate
    @Option(.httpTLSKey) var tlsKey
    @Option(.httpTLSClientCA) var tlsClientCA
    @Option(.httpTrustedProxies) var trustedProxies
    @Option(.httpProxyProtocolTrusted) var proxyProtocolTrusted
    @Option(.httpForwardedField) var forwardedField
    @Option(.httpHandshakeTimeout) var handshake
    @Option(.httpHeadersTimeout) var headers
    @Option(.httpRequestTimeout) var request
    @Option(.httpBodySilenceTimeout) var bodySilence
    @Option(.httpWriteProgressTimeout) var writeProgress
    @Option(.httpWriteProgressBulkTimeout) var writeProgressBulk
    @Option(.httpIdleTimeout) var idle
    @Option(.httpKeepaliveTimeout) var keepalive
    @Option(.httpKeepaliveAnswerTimeout) var keepaliveAnswer
    @Option(.httpSettingsTimeout) var settingsAcknowledgement
    @Option(.httpConnectionAge) var connectionAge
    @Option(.httpConnectionRequests) var connectionRequests

    var values: [Setting: String] {
        let own: [Setting: String?] = [
            .httpHost: host, .httpPort: port, .httpEventLoops: eventLoops, .httpTLSCertificate: tlsCertificate,
            .httpTLSKey: tlsKey, .httpTLSClientCA: tlsClientCA, .httpTrustedProxies: trustedProxies,
            .httpProxyProtocolTrusted: proxyProtocolTrusted,
            .httpForwardedField: forwardedField, .httpHandshakeTimeout: handshake, .httpHeadersTimeout: headers,
            .httpRequestTimeout: request, .httpBodySilenceTimeout: bodySilence,
            .httpWriteProgressTimeout: writeProgress, .httpWriteProgressBulkTimeout: writeProgressBulk,
            .httpIdleTimeout: idle, .httpKeepaliveTimeout: keepalive, .httpKeepaliveAnswerTimeout: keepaliveAnswer,
            .httpSettingsTimeout: settingsAcknowledgement, .httpConnectionAge: connectionAge,
            .httpConnectionRequests: connectionRequests,
        ]
        return own.compactMapValues { $0 }
    }
}

/// The flags that say what peers may have.
struct LimitFlags: SettingFlags {
    @Option(.httpStreamsLimit) var streams
    @Option(.httpHeaderListBytesLimit) var headerListBytes
    @Option(.httpHeaderFieldsLimit) var headerFields
    @Option(.httpRequestBytesLimit) var requestBytes
    @Option(.httpPathBytesLimit) var pathBytes
    @Option(.httpBodyBytesLimit) var bodyBytes
    @Option(.httpBodyRateLimit) var bodyRate
    @Option(.httpResetsLimit) var resets
    @Option(.httpStreamErrorsLimit) var streamErrors
    @Option(.httpControlFramesLimit) var controlFrames
    @Option(.httpOverheadBytesLimit) var overheadBytes
    @Option(.httpEmptyDataLimit) var emptyData
    @Option(.httpWindowUpdatesLimit) var windowUpdates
    @Option(.httpStreamWriteBytesLimit) var streamWriteBytes
    @Option(.httpConnectionWriteBytesLimit) var connectionWriteBytes
    @Option(.httpConnectionsLimit) var connections
    @Option(.httpConnectionsPerAddressLimit) var connectionsPerAddress
    @Option(.httpHandshakesLimit) var handshakes
    @Option(.httpRequestsInFlightLimit) var requestsInFlight
    @Option(.httpBuffersLimit) var buffers
    @Option(.httpStreamWindow) var streamWindow
    @Option(.httpConnectionWindow) var connectionWindow
    @Option(.callersFailures) var callersFailures

    var values: [Setting: String] {
        let own: [Setting: String?] = [
            .httpStreamsLimit: streams, .httpHeaderListBytesLimit: headerListBytes,
            .httpHeaderFieldsLimit: headerFields, .httpRequestBytesLimit: requestBytes, .httpPathBytesLimit: pathBytes,
            .httpBodyBytesLimit: bodyBytes, .httpBodyRateLimit: bodyRate, .httpResetsLimit: resets,
            .httpStreamErrorsLimit: streamErrors, .httpControlFramesLimit: controlFrames,
            .httpOverheadBytesLimit: overheadBytes, .httpEmptyDataLimit: emptyData,
            .httpWindowUpdatesLimit: windowUpdates, .httpStreamWriteBytesLimit: streamWriteBytes,
            .httpConnectionWriteBytesLimit: connectionWriteBytes, .httpConnectionsLimit: connections,
            .httpConnectionsPerAddressLimit: connectionsPerAddress, .httpHandshakesLimit: handshakes,
            .httpRequestsInFlightLimit: requestsInFlight, .httpBuffersLimit: buffers, .httpStreamWindow: streamWindow,
            .httpConnectionWindow: connectionWindow, .callersFailures: callersFailures,
        ]
        return own.compactMapValues { $0 }
    }
}

/// The flags of the listener for probes, and of the shutdown they are told of.
struct OpsFlags: SettingFlags {
    @Option(.opsHost) var host
    @Option(.opsPort) var port

    var values: [Setting: String] {
        [.opsHost: host, .opsPort: port].compactMapValues { $0 }
    }
}

/// The flags that say how Zoom is reached and treated.
struct ZoomFlags: SettingFlags {
    @Option(.zoomAPIURL) var apiURL
    @Option(.zoomOAuthURL) var oauthURL
    @Option(.zoomPlan) var plan
    @Option(.zoomRateShare) var rateShare
    @Option(.zoomTimeout) var timeout
    @Option(.zoomResolveTimeout) var resolveTimeout
    @Option(.zoomConnectTimeout) var connectTimeout
    @Option(.zoomTLSTimeout) var tlsTimeout
    @Option(.zoomFirstByteTimeout) var firstByteTimeout
    @Option(.zoomConnectionAge) var connectionAge
    @Option(.zoomQuiet) var quiet
    @Option(.zoomResolveInterval) var resolveInterval
    @Option(.zoomCAFile) var caFile
    @Option(.zoomWait) var wait
    @Option(.zoomRetryTime) var retryTime

    var values: [Setting: String] {
        let own: [Setting: String?] = [
            .zoomAPIURL: apiURL, .zoomOAuthURL: oauthURL, .zoomPlan: plan, .zoomRateShare: rateShare,
            .zoomTimeout: timeout, .zoomResolveTimeout: resolveTimeout, .zoomConnectTimeout: connectTimeout,
            .zoomTLSTimeout: tlsTimeout, .zoomFirstByteTimeout: firstByteTimeout, .zoomConnectionAge: connectionAge,
            .zoomQuiet: quiet, .zoomResolveInterval: resolveInterval, .zoomCAFile: caFile, .zoomWait: wait,
            .zoomRetryTime: retryTime,
        ]
        return own.compactMapValues { $0 }
    }
}

/// The flags that say what is kept of Zoom's answers.
struct CacheFlags: SettingFlags {
    @Option(.cacheTTL) var ttl
    @Option(.cacheMaxBytes) var maxBytes
    @Option(.cacheStaleWhileRevalidate) var staleWhileRevalidate
    @Option(.cacheStaleIfError) var staleIfError
    @Option(.cacheFailureTTL) var failureTTL
    @Option(.cacheRefreshAhead) var refreshAhead

    var values: [Setting: String] {
        let own: [Setting: String?] = [
            .cacheTTL: ttl, .cacheMaxBytes: maxBytes, .cacheStaleWhileRevalidate: staleWhileRevalidate,
            .cacheStaleIfError: staleIfError, .cacheFailureTTL: failureTTL, .cacheRefreshAhead: refreshAhead,
        ]
        return own.compactMapValues { $0 }
    }
}

/// The flags that say where the credentials are, and what opens them.
struct CredentialsFlags: SettingFlags {
    @Option(.credentialsFile) var file
    @Option(.credentialsKeyFile) var keyFile
    @Option(.zoomTokenFile) var tokenFile

    var values: [Setting: String] {
        let own: [Setting: String?] = [
            .credentialsFile: file, .credentialsKeyFile: keyFile, .zoomTokenFile: tokenFile,
        ]
        return own.compactMapValues { $0 }
    }
}

/// The flag that says where the callers are.
struct CallersFlags: SettingFlags {
    @Option(.callersFile) var file

    var values: [Setting: String] { [.callersFile: file].compactMapValues { $0 } }
}

/// The flag that takes files which others may use.
struct SharedFileFlag: SettingFlags {
    @Flag(.allowSharedFile) var isAllowed = false

    var values: [Setting: String] { isAllowed ? [.allowSharedFile: "true"] : [:] }
}

/// The flags that say where spans go.
struct TraceFlags: SettingFlags {
    @Option(.traceURL) var url
    @Option(.traceSample) var sample

    var values: [Setting: String] {
        [.traceURL: url, .traceSample: sample].compactMapValues { $0 }
    }
}

/// The flags that shape a sandbox.
struct SandboxFlags: SettingFlags {
    @Option(.sandboxAccounts) var accounts
    @Option(.sandboxLimits) var limits
    @Option(.sandboxSeed) var seed
    @Option(.sandboxTokens) var tokens
    @Option(.sandboxLatency) var latency
    @Option(.sandboxNow) var now
    @Option(.sandboxFaultsFile) var faultsFile

    var values: [Setting: String] {
        let own: [Setting: String?] = [
            .sandboxAccounts: accounts, .sandboxLimits: limits, .sandboxSeed: seed, .sandboxTokens: tokens,
            .sandboxLatency: latency, .sandboxNow: now, .sandboxFaultsFile: faultsFile,
        ]
        return own.compactMapValues { $0 }
    }
}
