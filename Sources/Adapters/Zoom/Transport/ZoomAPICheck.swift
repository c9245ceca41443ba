package import Domain
package import Logging
import NIOCore
package import NIOPosix

/// Checks that Zoom's API is at the configured address.
package struct ZoomAPICheck: Sendable {
    private let configuration: ZoomConfiguration
    private let http: HTTPClient
    private let time: any TimeSource
    private let logger: Logger

    package init(
        configuration: ZoomConfiguration, group: MultiThreadedEventLoopGroup, time: any TimeSource, logger: Logger
    ) {
        self.configuration = configuration
        self.time = time
        self.logger = logger
        http = HTTPClient(
            origin: configuration.api.origin, group: group, configuration: configuration.http, logger: logger)
    }

    package func close() async {
        await http.close()
    }

    /// Requests a page of one sub account. A refusal passes the check as well, since only Zoom answers in this form.
    ///
    /// - Throws: A failure that shows that the server is not Zoom, that Zoom cannot be reached, or that it refuses the
    ///   token.
    package func run(token: Secret) async throws(ZoomFailure) {
        let call = ZoomCall<SubAccountPage>.listSubAccounts(SubAccountPageRequest(.number(1), size: 1))
        let endpoint = call.request.endpoint
        let response: ClientResponse
        do throws(HTTPFailure) {
            response = try await http.exchange(
                configuration.message(call.request, token: token),
                bodyBytesMax: configuration.answerBytesMax(of: endpoint),
                timeout: configuration.timeout)
        } catch {
            throw .transport(error)
        }
        do throws(ZoomFailure) {
            _ = try call.read(ZoomAnswer(response, to: endpoint, now: time.timestamp), logger)
        } catch {
            if case .api(let status, _, _, _) = error, status < 500, !error.isTokenRefused { return }
            throw error
        }
    }
}
