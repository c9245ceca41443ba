package import Logging

/// A line for each request, or for a part of them: what was asked and how it was answered. Never what is personal or secret: an
/// account's id is, and so the route is named and not the path.
package struct AccessLog: Sendable {
    private let logger: Logger

    /// Of 65,536 requests so many.
    private let sample: Int

    /// - Parameter share: Of all requests, from 0 to 1. At the level `debug` it is all of them.
    package init(share: Double, logger: Logger) {
        self.logger = logger
        sample = logger.logLevel <= .debug ? 65_536 : logger.logLevel <= .info ? Int(share * 65_536) : 0
    }

    func takes(_ requestID: RequestID) -> Bool {
        sample > 0 && (sample == 65_536 || requestID.lot < sample)
    }

    func note(_ request: Line, _ requestID: RequestID, _ response: HTTPResponse) {
        logger.info(
            "request",
            metadata: [
                "request-id": "\(requestID.text)", "method": "\(request.method)", "route": "\(request.route)",
                "client": "\(request.client)", "status": "\(response.fields.string(.status) ?? "none")",
            ])
    }

    /// What is known before there is an answer.
    struct Line: Sendable {
        let method: String
        let route: String
        let client: String
    }
}
