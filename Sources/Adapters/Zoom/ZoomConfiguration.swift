package import Domain
package import NIOCore

/// Where Zoom is and how it is to be treated.
package struct ZoomConfiguration: Sendable {
    /// An address of Zoom's: an origin, and the path that goes before every operation's.
    package struct Endpoint: Sendable, Equatable {
        package let origin: Origin
        package let path: String

        package init(origin: Origin, path: String) {
            self.origin = origin
            self.path = path
        }
    }

    package var api: Endpoint
    package var oauth: Endpoint

    /// The limits to keep; none for operations of a class that is not here.
    package var rates: [ZoomRateLabel: RateBudget.Rules] = [:]

    /// How long an interactive lookup waits for its permit, if it does not say it itself.
    package var waitMax = Duration.seconds(10)

    /// How long an interactive read that fails for a passing reason is tried again.
    package var retryTime = Duration.seconds(15)

    /// How long an interactive read waits for permits and is tried again at most, whatever the two above or the caller say:
    /// the caller's own request would time out. `nil` for no limit.
    package var interactiveTimeMax: Duration?

    /// From sending a request to the end of its answer.
    package var timeout = TimeAmount.seconds(10)

    /// How its connections are made and kept.
    package var http: HTTPClient.Configuration

    /// A billing object is below 2 KiB; a page of 300 accounts about 100 KiB.
    package var bodyBytesMax = 256 * 1024
    package var listBodyBytesMax = 10 * 1024 * 1024

    static let userAgent = "billing-service"

    /// A GET of Zoom's API.
    ///
    /// - Parameter target: What comes after the path of `api`.
    func request(_ target: String, token: Secret) -> ClientRequest {
        var request = ClientRequest(
            method: "GET", scheme: api.origin.scheme.rawValue, authority: api.origin.authority,
            target: api.path + target)
        request.fields.append(.authorization, Array("Bearer ".utf8) + token.bytes)
        // Without it Zoom has been seen to answer errors in XML.
        request.fields.append(.accept, "application/json")
        request.fields.append(.acceptEncoding, "gzip")
        request.fields.append(.userAgent, Self.userAgent)
        return request
    }

    package init(api: Endpoint, oauth: Endpoint) {
        self.api = api
        self.oauth = oauth
        http = .zoom
    }
}

extension HTTPClient.Configuration {
    /// For connections to Zoom.
    package static var zoom: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        // Zoom is not a hostile peer, but its gateways add fields of their own.
        configuration.limits.headerListBytesMax = 32_768
        return configuration
    }
}
