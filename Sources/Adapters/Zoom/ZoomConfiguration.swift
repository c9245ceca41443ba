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

    package var api: ServiceURL
    package var oauth: ServiceURL

    /// Rate limits by label. A label without rules has no limit.
    package var rates: [ZoomRateLabel: RateBudget.Rules] = [:]

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

    static let userAgent = "billing-service"

    /// The HTTP message of a request to Zoom's API.
    func message(_ request: ZoomRequest, token: Secret) -> ClientRequest {
        var message = ClientRequest(
            method: request.endpoint.method.rawValue, scheme: api.origin.scheme.rawValue,
            authority: api.origin.authority, target: api.path + request.target, body: request.body ?? ByteBuffer())
        message.fields.append(.authorization, Array("Bearer ".utf8) + token.bytes)
        // Without this field Zoom has been seen to answer errors in XML.
        switch request.endpoint.answerBody {
        case .object, .none: message.fields.append(.accept, "application/json")
        case .bytes: message.fields.append(.accept, "application/json, */*;q=0.9")
        }
        message.fields.append(.acceptEncoding, "gzip")
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
