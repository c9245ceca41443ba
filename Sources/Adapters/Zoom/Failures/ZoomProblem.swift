import Domain

/// A failed call to Zoom as operators read it: the reason and the remedy.
package struct ZoomProblem: Sendable, Equatable {
    package let reason: String
    package let remedy: String

    /// Whether an operator has to act. Other problems may pass.
    let isLasting: Bool

    private init(_ reason: String, _ remedy: String, isLasting: Bool) {
        self.reason = reason
        self.remedy = remedy
        self.isLasting = isLasting
    }

    /// One of Zoom's two services, with the setting of its address.
    private struct Service {
        let endpoint: ZoomConfiguration.ServiceURL
        let setting: String
        let example: String

        static func api(_ configuration: ZoomConfiguration) -> Service {
            Service(
                endpoint: configuration.api, setting: "zoom.api-url",
                example: "it must end in /v2, as https://api.zoom.us/v2")
        }

        /// The files of invoices.
        static func files(_ request: ZoomRequest, _ configuration: ZoomConfiguration) -> Service {
            let url = configuration.url(of: request)
            guard configuration.invoiceFiles.url != nil else { return .api(configuration) }
            return Service(
                endpoint: .init(origin: url.origin, path: configuration.invoiceFiles.url?.path ?? ""),
                setting: "zoom.invoice-download-url", example: "it must have {invoiceId} in its path")
        }

        static func oauth(_ configuration: ZoomConfiguration) -> Service {
            Service(
                endpoint: configuration.oauth, setting: "zoom.oauth-url",
                example: "Zoom's is https://zoom.us/oauth/token")
        }
    }

    /// - Parameter request: The request that failed.
    /// - Returns: `nil` for a failure that has nothing to do with Zoom or the network, such as our own rate limit or a
    ///   cancelled call.
    package init?(_ failure: ZoomFailure, of request: ZoomRequest? = nil, _ configuration: ZoomConfiguration) {
        if case .token(let cause, _) = failure {
            self.init(cause, of: .oauth(configuration))
        } else if let request, request.endpoint.operation == .downloadInvoiceFile {
            self.init(failure, of: .files(request, configuration))
        } else {
            self.init(failure, of: .api(configuration))
        }
    }

    /// A failed request for an access token.
    package init?(obtainingToken failure: ZoomFailure, _ configuration: ZoomConfiguration) {
        self.init(failure, of: .oauth(configuration))
    }

    private init?(_ failure: ZoomFailure, of service: Service) {
        let address = service.endpoint.text
        let incident = "look at status.zoom.us for an incident"
        switch failure {
        case .transport(.notConnected(let failure)):
            let names = ConnectFailure.SettingNames(
                address: service.setting, caFile: "zoom.ca-file", proxy: "HTTPS_PROXY")
            self.init("\(failure)", failure.remedy(names), isLasting: true)
        case .transport(.cancelled): return nil
        case .transport(let failure):
            self.init("\(address): \(failure)", "\(incident), and check the network", isLasting: false)
        case .misaddressed(let fault):
            self.init(
                "\(address) \(fault.reason)",
                "check \(service.setting) (\(service.example)), and whether a proxy or web filter answers in Zoom's place",
                isLasting: true)
        case .unusableFile(.redirectRefused(_), let location):
            self.init(
                "\(address) \(failure.reason)",
                location == nil
                    ? "check \(service.setting)"
                    : "if invoice files are there, add the host to zoom.invoice-download-hosts",
                isLasting: true)
        case .unusableFile:
            self.init(
                "\(address) \(failure.reason)",
                "download an invoice in Zoom's web portal, and check zoom.invoice-download-url",
                isLasting: true)
        case .unreadable:
            self.init(
                "\(address) answers with an unexpected body",
                "if every call fails like this, check \(service.setting) (\(service.example))", isLasting: false)
        case .api(429, _, _, let retryAfter):
            let wait = retryAfter.map { "wait \($0.components.seconds) s" } ?? "wait a while"
            self.init(
                "\(address) answers with status 429, too many requests",
                "\(wait); if it happens often, look for other programs that use the same app or account",
                isLasting: false)
        case .api(let status, _, _, _) where failure.isTokenRefused:
            self.init(
                "\(address) refuses a new access token (status \(status))",
                "check that zoom.api-url and zoom.oauth-url belong to the same Zoom, and that the app is activated",
                isLasting: true)
        case .api(let status, let code, _, _):
            self.init(
                "\(address) answers with status \(status)\(code.map { ", code \($0)" } ?? "")",
                status >= 500 ? incident : "look at the account in Zoom's web portal", isLasting: false)
        case .token(let cause, _): self.init(cause, of: service)
        case .rateLimited, .dailyQuotaSpent, .quotaSpent, .unavailable, .credentials, .scopesMissing, .stopped:
            return nil
        }
    }
}

extension ZoomConfiguration.ServiceURL {
    /// The address as a user writes it.
    package var text: String { "\(origin.scheme.rawValue)://\(origin.authority)\(path)" }
}
