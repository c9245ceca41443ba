import Adapters
import Logging

extension Settings {
    struct Ops: SettingGroup {
        static let title = "Operations listener"

        let host = Setting(
            "ops.host", .host, default: "127.0.0.1",
            "Address to serve the operator's page, /livez, /readyz and /metrics on.")
        let port = Setting("ops.port", .port, default: 9090, "Its port; the system chooses one for 0.")
        let tokenFile = Setting(
            "ops.token-file", .path,
            "File whose first line is the token for the operator's page and /status: browsers ask for it as a password, programs send it as a bearer token. Read again when it changes. Without it, the page is open to everyone who can connect. Wrong tokens are limited as those of callers (callers.failures). /livez, /readyz and /metrics need no token."
        )
    }

    struct Shutdown: SettingGroup {
        static let title = "Shutdown"

        let delay = Setting(
            "shutdown.delay", .duration(upTo: .seconds(3600)), default: .computed("5s, or 0s with sandbox"),
            "How long new connections are accepted after SIGTERM, so that load balancers see /readyz fail first.")
        let grace = Setting(
            "shutdown.grace", .duration(upTo: .seconds(3600)), default: .seconds(20),
            "How long requests in flight may take after that; then their connections are closed.")
    }

    struct Streams: SettingGroup {
        static let title = "Streams"

        let window = Setting(
            "export.window", .integer(1...1000), default: 64, "Concurrent lookups of one stream, of each kind of data.")
    }

    struct Log: SettingGroup {
        static let title = "Log"

        let level = Setting(
            "log.level", .choice("level"), default: Logger.Level.info,
            "Least severe level that is logged. SIGUSR1 lowers it by one step, SIGUSR2 restores the configured one. Changes in the --config file apply at once."
        )
        let format = Setting(
            "log.format", .choice("format"), default: LogSettings.Format.auto,
            "text is for people, json for programs. auto is text if standard error is a terminal, otherwise json. On a terminal, text has the local time and colours."
        )
    }

    struct AccessLog: SettingGroup {
        static let title = "Log"

        let sample = Setting(
            "log.access-sample", .share, default: 0.01,
            "Fraction of successful requests that are logged; all of them at the level debug. Failed requests are always logged, up to 100 per second."
        )
    }

    struct Trace: SettingGroup {
        static let title = "Traces"

        let url = Setting(
            "trace.otlp-url", .url(example: "http://collector:4318/v1/traces", isClearTextAllowed: true),
            "OTLP/HTTP endpoint for spans (JSON), such as http://collector:4318/v1/traces. Tracing is off without it.")
        let sample = Setting(
            "trace.sample", .share, default: 0.01,
            "Fraction of the traces begun by this service that are recorded. Callers decide about the traces they begin."
        )
    }
}
