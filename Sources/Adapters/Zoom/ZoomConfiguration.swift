package import Domain
package import NIOCore

/// Addresses, limits and times of a client of Zoom.
package struct ZoomConfiguration: Sendable {
    /// The base URL of an API, or the URL of the token endpoint.
    package struct ServiceURL: Sendable, Equatable {
        package let origin: Origin
        package let path: String

        package init(origin: Origin, path: String) {
            self.origin = origin
            self.path = path
        }
    }

    /// Where the files of invoices are.
    package struct InvoiceFiles: Sendable, Equatable {
        /// With `{invoiceId}` in its path; `nil` for the path of the operation in the API.
        package var url: ServiceURL?

        /// Where a redirect may lead to, besides the origin of `url`.
        package var redirectHosts: [RedirectTarget.Host] = []

        package init() {}
    }

    package var api: ServiceURL
    package var oauth: ServiceURL
    package var invoiceFiles = InvoiceFiles()

    /// Rate limits by label. A label without rules has no limit.
    package var rates: [ZoomRateLabel: RateBudget.Rules] = [:]

    /// The number of replicas that share the rate limits, until the shared ledger states it.
    package var replicasAssumed = 4

    /// The longest time in the queue for a permit, for an interactive request that names none.
    package var waitMax = Duration.seconds(10)

    /// How long an interactive request is retried.
    package var retryTime = Duration.seconds(15)

    /// The limit of both times above for an interactive request, since the caller's own request would time out; `nil` for no
    /// limit. A queue timeout that the caller names is limited as well.
    package var interactiveTimeMax: Duration?

    /// From sending a request to the end of its answer.
    package var timeout = TimeAmount.seconds(10)

    /// The largest answer that is accepted, before and after decompression; `nil` for the limit of each operation.
    package var answerBytesMax: Int?

    func answerBytesMax(of endpoint: ZoomEndpoint) -> Int { answerBytesMax ?? endpoint.answerBytesMax }

    /// Connections to Zoom.
    package var http: HTTPClient.Configuration

    /// The URL of a request, whose path includes the query.
    func url(of request: ZoomRequest) -> ServiceURL {
        guard let invoice = request.invoice, let url = invoiceFiles.url,
            request.endpoint.operation == .downloadInvoiceFile
        else { return ServiceURL(origin: api.origin, path: api.path + request.target) }
        return ServiceURL(
            origin: url.origin, path: url.path.replacing("{invoiceId}", with: invoice.rawValue))
    }

    static let userAgent = "billing-service"

    /// The HTTP message of a request to Zoom's API.
    func message(_ request: ZoomRequest, token: Secret) -> ClientRequest {
        let url = url(of: request)
        var message = ClientRequest(
            method: request.endpoint.method.rawValue, scheme: url.origin.scheme.rawValue,
            authority: url.origin.authority, target: url.path, body: request.body ?? ByteBuffer())
        token.reveal { message.fields.append(.authorization, "Bearer ", $0) }
        // Without this field Zoom has been seen to answer errors in XML.
        switch request.endpoint.answerBody {
        case .object, .none: message.fields.append(.accept, "application/json")
        case .bytes: message.fields.append(.accept, "application/json, */*;q=0.9")
        case .file: message.fields.append(.accept, "application/pdf, application/json;q=0.9")
        }
        switch request.endpoint.answerBody {
        case .object, .none, .bytes: message.fields.append(.acceptEncoding, "gzip")
        // A file is forwarded to the caller without decoding.
        case .file: message.fields.append(.acceptEncoding, "identity")
        }
        message.fields.append(.userAgent, Self.userAgent)
        if let body = request.body {
            message.fields.append(.contentType, "application/json")
            message.fields.append(.contentLength, body.readableBytes)
        }
        return message
    }

    package init(api: ServiceURL, oauth: ServiceURL) {
        self.api = api
        self.oauth = oauth
        http = .zoom
    }
}

extension HTTPClient.Configuration {
    /// For connections to Zoom.
    package static var zoom: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        // Zoom is not a hostile peer, but its gateways add header fields of their own.
        configuration.limits.headerListBytesMax = 32_768
        return configuration
    }
}
