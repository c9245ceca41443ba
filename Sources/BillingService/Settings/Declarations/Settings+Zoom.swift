import Adapters

private let day = Duration.seconds(86_400)
private let least = Duration.milliseconds(10)
private let upToFiveMinutes = SettingType<Duration>.duration(least ... .seconds(300))
private let url = SettingType<HTTPURL>.url(example: "https://api.zoom.us/v2", isClearTextAllowed: false)

extension Settings {
    /// How Zoom is called.
    struct Zoom: SettingGroup {
        static let title = "Zoom"

        let apiURL = Setting(
            "zoom.api-url", url, default: HTTPURL(host: "api.zoom.us", path: "/v2"),
            "Base URL of Zoom's API. http is allowed for loopback only, and means HTTP/2 in clear text. HTTPS_PROXY and NO_PROXY apply."
        )
        let oauthURL = Setting(
            "zoom.oauth-url", url, default: HTTPURL(host: "zoom.us", path: "/oauth/token"),
            "Zoom's token endpoint. The same rules apply.")
        let invoiceDownloadURL = Setting(
            "zoom.invoice-download-url", .invoiceURL,
            default: .computed("zoom.api-url followed by /billing/invoices/{invoiceId}/download"),
            "URL of the PDF file of an invoice, with {invoiceId} in its path. The access token is sent to it. The same rules apply."
        )
        let invoiceDownloadHosts = Setting(
            "zoom.invoice-download-hosts", .redirectHosts, default: [],
            "Hosts that Zoom may redirect a download to, besides the host of zoom.invoice-download-url: host or host:port, with commas between them. The access token is never sent to them."
        )
        let plan = Setting(
            "zoom.plan", .choice("plan"), default: ZoomPlan.pro,
            "Plan of the master account, which sets Zoom's rate limits; business for all higher plans.")
        let rateShare = Setting(
            "zoom.rate-share", .share, default: 0.8,
            "Fraction of the plan's rate limits to use. Zoom counts all programs of the account together.")
        let timeout = Setting(
            "zoom.timeout", .duration(.milliseconds(100) ... .seconds(300)), default: .seconds(10),
            "Timeout of one call to Zoom, including the wait for a connection.")
        let resolveTimeout = Setting(
            "zoom.resolve-timeout", upToFiveMinutes, default: .seconds(5), "Timeout of resolving Zoom's host name.")
        let connectTimeout = Setting(
            "zoom.connect-timeout", upToFiveMinutes, default: .seconds(5),
            "Timeout of connecting to Zoom, or to the proxy and through it.")
        let tlsTimeout = Setting(
            "zoom.tls-timeout", upToFiveMinutes, default: .seconds(5), "Timeout of a TLS handshake with Zoom.")
        let firstByteTimeout = Setting(
            "zoom.first-byte-timeout", upToFiveMinutes, default: .seconds(10),
            "Timeout from sending a request to the first byte of Zoom's response, and between two pieces of an invoice file."
        )
        let connectionAge = Setting(
            "zoom.connection-age", .duration(least...day), default: .seconds(600),
            "Maximum age of a connection to Zoom, varied at random by up to 10 %.")
        let pingAfter = Setting(
            "zoom.ping-after", .duration(least ... .seconds(3600)), default: .seconds(30),
            "Idle time after which a connection to Zoom is checked by a PING before it is used again.")
        let resolveInterval = Setting(
            "zoom.resolve-interval", .duration(least...day), default: .seconds(60),
            "How often Zoom's host name is resolved again while a connection is in use.")
        let caFile = Setting(
            "zoom.ca-file", .path,
            "PEM file with the CA certificates to trust for Zoom, instead of the system's. Also applies to export --url."
        )
        let wait = Setting(
            "zoom.wait", .duration(upTo: .seconds(300)), default: .seconds(10),
            "How long a single lookup may wait for a permit of the rate limiter, unless the request has Prefer: wait. If the wait would be longer, the request is answered 429 at once. Limited to http.timeouts.request minus zoom.timeout, or to half of http.timeouts.request if that is more."
        )
        let retryTime = Setting(
            "zoom.retry-time", .duration(upTo: .seconds(300)), default: .seconds(15),
            "How long a single lookup is retried after a temporary failure; limited like zoom.wait. At most one in ten calls is a retry."
        )
        let strictPlans = Setting(
            "zoom.strict-plans", .boolean, default: true,
            "Whether changes may contain only plan codes that this service knows. With false, unknown codes are passed on, and Zoom decides."
        )
        let answerMaxBytes = Setting(
            "zoom.answer-max-bytes", .size((64 << 10)...(1 << 30)),
            "Largest answer of Zoom's API, before and after decompression. Without it each operation has its own limit: 256KiB for billing information and account details, 10MiB for a page of accounts, 4MiB for the others."
        )
    }

    /// What is cached, and how it is refreshed.
    struct Cache: SettingGroup {
        static let title = "Cache"

        let ttl = Setting(
            "cache.ttl", .duration(upTo: day), default: .seconds(300),
            """
            How long a response from Zoom is fresh, shortened at random by up to 10 %. 0s turns the cache off. Lists of \
            invoices are fresh for at least 4h and invoices for at least 30m, since Zoom limits calls for each account.
            """)
        let maxBytes = Setting(
            "cache.max-bytes", .size((1 << 20)...(1 << 40)),
            default: .computed("512MiB, or a quarter of the available memory if that is less"),
            "Memory for cached responses: at most half of the available memory.")
        let accountRecordsMaxBytes = Setting(
            "cache.account-records-max-bytes", .size(0...(2 << 30)),
            default: .computed("64MiB, or a sixteenth of the available memory if that is less"),
            "Memory for the accounts' entries in Zoom's list of sub accounts, some 300 bytes each; up to three times as much while the list is read. If they need more, only the ids are cached, and pages of the list come from Zoom."
        )
        let staleWhileRevalidate = Setting(
            "cache.stale-while-revalidate", .duration(upTo: day), default: .seconds(60),
            "How long a stale response is served while it is revalidated (RFC 5861).")
        let staleIfError = Setting(
            "cache.stale-if-error", .duration(upTo: day * 7), default: .seconds(3600),
            "How long a stale response is served when Zoom fails (RFC 5861).")
        let failureTTL = Setting(
            "cache.failure-ttl", .duration(upTo: .seconds(3600)), default: .seconds(30),
            "How long it is cached that an account does not exist or pays for itself.")
        let refreshAhead = Setting(
            "cache.refresh-ahead", .share, default: 0.8,
            "Fraction of its TTL after which a requested response is refreshed ahead of its expiry, if Zoom's rate limit leaves room."
        )
        let refreshInterval = Setting(
            "refresh.interval", .duration(.seconds(60)...day * 7, orZero: true), default: .zero,
            "How often all accounts are refreshed in the background, with what is left of Zoom's rate limit. At most cache.ttl; 0s turns it off."
        )
    }
}
