import Adapters
import NIOCore

/// How to call a service.
struct ServiceEndpoint: Sendable {
    let url: ZoomConfiguration.ServiceURL

    /// The caller's token.
    let token: String

    /// The configuration of its client. `firstByte` is for the command to choose.
    var http = HTTPClient.Configuration()

    /// Whether a request to Zoom waits for its rate limit now; nil if the service is another process.
    var isRateLimited: (@Sendable () -> Bool)?
}
