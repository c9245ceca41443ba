package import Domain
package import Logging
package import NIOCore

/// A request to Zoom's API, except for the access token.
package struct ZoomRequest: Sendable {
    package let endpoint: ZoomEndpoint

    /// The account that the request is about; `nil` if it is about the master account as a whole.
    package let account: AccountID?

    /// The path without the query, relative to the base path of the API.
    package let path: String

    private let query: String

    /// JSON; `nil` for a request without a body.
    package let body: ByteBuffer?

    /// - Parameters:
    ///   - account: Fills in `{accountId}` of the path template. An account id needs no percent-encoding in a path segment.
    ///   - query: Parameters in the order in which they are sent, not yet percent-encoded.
    package init(
        _ endpoint: ZoomEndpoint, account: AccountID? = nil, query: [(name: String, value: String)] = [],
        body: ByteBuffer? = nil
    ) {
        self.endpoint = endpoint
        self.account = account
        self.body = body
        path =
            account.map { endpoint.pathTemplate.replacing("{accountId}", with: $0.rawValue) } ?? endpoint.pathTemplate
        self.query = query.map { "\($0.name)=\(PercentEncoding.encode($0.value))" }.joined(separator: "&")
    }

    /// The path and the query.
    package var target: String { query.isEmpty ? path : "\(path)?\(query)" }
}

/// A request, and how its answer is read.
package struct ZoomCall<Answer: Sendable>: Sendable {
    package typealias Read = @Sendable (ZoomAnswer, Logger) throws(ZoomFailure) -> Answer
    package typealias Interpret = @Sendable (ZoomFailure) throws(BillingFailure) -> Answer?

    let request: ZoomRequest

    /// Reads a successful answer. Throws `unreadable`.
    let read: Read

    /// Translates a failure that has a special meaning for this operation: to an answer, or to a failure that it throws.
    /// `nil` for all other failures, which `ZoomFailure.billingFailure` translates.
    let interpret: Interpret

    package init(
        _ request: ZoomRequest, interpret: @escaping Interpret = { _ throws(BillingFailure) in nil },
        read: @escaping Read
    ) {
        self.request = request
        self.read = read
        self.interpret = interpret
    }
}
