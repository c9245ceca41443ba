import Adapters

extension Settings {
    struct EmbeddedSandbox: SettingGroup {
        static let title = "Sandbox"

        let isUsed = Setting(
            "sandbox", .flag, default: false,
            "Use an embedded simulation of Zoom instead of Zoom. No other setting is required.")
    }

    /// How a sandbox behaves, embedded or not.
    struct Sandbox: SettingGroup {
        static let title = "Sandbox"

        let accounts = Setting("sandbox.accounts", .integer(0...10_000_000), default: 1000, "Number of sub accounts.")
        let limits = Setting(
            "sandbox.limits", .choice("plan"), default: SandboxConfiguration.Limits.none,
            "Plan whose rate limits the sandbox enforces. The embedding service keeps to the same plan.")
        let seed = Setting(
            "sandbox.seed", .integer(0...Int.max, "number"), default: 1,
            "Seed of the random sub accounts, latencies and faults: equal seeds give equal results.")
        let tokens = Setting(
            "sandbox.tokens", .choice("kind"), default: SandboxConfiguration.Tokens.coexisting,
            "What a new access token does to older ones: with coexisting they stay valid, with superseding they become invalid."
        )
        let latency = Setting(
            "sandbox.latency", .duration(upTo: .seconds(60)), default: .zero,
            "Median latency of responses; the 99th percentile is 3.2 times as long.")
        let pdfSize = Setting(
            "sandbox.pdf-size",
            .size(SandboxConfiguration.pdfBytesMin...SandboxConfiguration.pdfBytesMax),
            default: SandboxConfiguration.pdfBytesMin, "Size of the PDF file of an invoice.")
        let now = Setting(
            "sandbox.now", .timestamp, "Initial time of the sandbox's clock, such as 2026-01-31T23:59:00Z.")
        let faultsFile = Setting(
            "sandbox.faults-file", .path,
            "JSON file with faults to inject: {\"faults\": [{\"fault\": \"html\", \"probability\": 0.1}]}.")
    }

    /// The listener of the `sandbox` command.
    struct SandboxListener: SettingGroup {
        static let title = "Sandbox command"

        let host = Setting(
            "sandbox.host", .host, default: "127.0.0.1",
            "Address to listen on. Other addresses than loopback require a certificate.")
        let port = Setting("sandbox.port", .port, default: 8090, "Port to listen on; the system chooses one for 0.")
        let credentialsFile = Setting(
            "sandbox.credentials-file", .path,
            "File to write the credentials of the sandbox's app to, for the credentials.file of a service.")
        let tlsCertificate = Setting(
            "sandbox.tls.certificate", .path,
            "PEM file with a server certificate. With it, the sandbox accepts TLS only.")
        let tlsKey = Setting("sandbox.tls.key", .path, "PEM file with the unencrypted private key of the certificate.")
    }
}
