import Adapters

private let hour = Duration.seconds(3600)
private let least = Duration.milliseconds(10)
private let upToAnHour = SettingType<Duration>.duration(least...hour)

extension Settings {
    /// The listener that API clients connect to.
    struct HTTP: SettingGroup {
        static let title = "API listener"

        let host = Setting("http.host", .host, default: "127.0.0.1", "Address to listen on; 0.0.0.0 or :: for all.")
        let port = Setting(
            "http.port", .port, default: .computed("8443 with TLS, otherwise 8080"),
            "Port to listen on; the system chooses one for 0.")
        let eventLoops = Setting(
            "http.event-loops", .integer(0...256), default: 0,
            "Threads that serve connections; 0 for one per available processor, within the CPU quota of the container."
        )
        let tlsCertificate = Setting(
            "http.tls.certificate", .path,
            "PEM file with the server certificate and its intermediate certificates. With it, the listener accepts TLS only."
        )
        let tlsKey = Setting("http.tls.key", .path, "PEM file with the unencrypted private key of the certificate.")
        let tlsClientCA = Setting(
            "http.tls.client-ca", .path,
            "PEM file with CA certificates. Clients must present a certificate that one of them has signed.")
        let trustedProxies = Setting(
            "http.trusted-proxies", .addressRanges, default: [],
            "Addresses of proxies, such as 10.0.0.0/8,::1, whose forwarded field is trusted to name the client.")
        let proxyProtocolTrusted = Setting(
            "http.proxy-protocol.trusted", .addressRanges, default: [],
            "Addresses of proxies whose connections must begin with a PROXY protocol header (version 1 or 2).")
        let forwardedField = Setting(
            "http.forwarded-field", .choice("name"), default: ForwardedField.Name.xForwardedFor,
            "Field in which trusted proxies name the client. The other field is ignored, since clients may have set it."
        )
    }

    /// How long clients may take, and how long connections live.
    struct Timeouts: SettingGroup {
        static let title = "Timeouts and connection lifetime"

        let handshake = Setting(
            "http.timeouts.handshake", upToAnHour, default: .seconds(10),
            "From accepting a connection to the first bytes of its first request: PROXY header, TLS handshake, preface."
        )
        let headers = Setting(
            "http.timeouts.headers", upToAnHour, default: .seconds(10),
            "From the first to the last byte of a request's header section. Slow progress does not extend it.")
        let request = Setting(
            "http.timeouts.request", upToAnHour, default: .seconds(30),
            "How long the response to a request that is not streamed may take; then the request is answered 504.")
        let bodySilence = Setting(
            "http.timeouts.body-silence", upToAnHour, default: .seconds(60),
            "How long a request body may pause.")
        let writeProgress = Setting(
            "http.timeouts.write-progress", upToAnHour, default: .seconds(30),
            "How long a client may take to read 4 KiB of a response.")
        let writeProgressBulk = Setting(
            "http.timeouts.write-progress-bulk", .duration(least...hour * 24), default: .seconds(300),
            "How long a client may take to read 4 KiB of a stream. Longer, since clients pause to store records.")
        let idle = Setting(
            "http.timeouts.idle", .duration(least...hour * 24), default: .seconds(120),
            "How long a connection may have no request. Longer than the idle timeout of load balancers.")
        let keepalive = Setting(
            "http.timeouts.keepalive", upToAnHour, default: .seconds(30),
            "Silence of an HTTP/2 client with an open request before it gets a PING.")
        let keepaliveAnswer = Setting(
            "http.timeouts.keepalive-answer", upToAnHour, default: .seconds(10),
            "How long a client may take to acknowledge that PING.")
        let settingsAcknowledgement = Setting(
            "http.timeouts.settings-ack", upToAnHour, default: .seconds(10),
            "How long an HTTP/2 client may take to acknowledge SETTINGS.")
        let connectionAge = Setting(
            "http.connection.age", .duration(least...hour * 168), default: hour,
            "Maximum age of a connection, varied at random by up to 10 %. Clients then reconnect, and so find new replicas."
        )
        let connectionRequests = Setting(
            "http.connection.requests", .integer(1...1_000_000_000), default: 100_000,
            "Maximum number of requests on one connection, for the same reason.")
    }
}
