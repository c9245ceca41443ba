package import Domain
package import Logging
import NIOCore
package import NIOPosix

/// Finds out whether Zoom's API is at the address that is configured for it.
package struct ZoomAPICheck: Sendable {
    private let configuration: ZoomConfiguration
    private let http: HTTPClient
    private let time: any TimeSource

    package init(
        configuration: ZoomConfiguration, group: MultiThreadedEventLoopGroup, time: any TimeSource, logger: Logger
    ) {
        self.configuration = configuration
        self.time = time
        http = HTTPClient(
            origin: configuration.api.origin, group: group, configuration: configuration.http, logger: logger)
    }

    package func close() async {
        await http.close()
    }

    /// Asks for one sub account, and looks at who answers rather than at the answer: a refusal is Zoom's, too.
    ///
    /// - Throws: What says that it is not Zoom, that Zoom could not be reached, or that it refuses the token.
    package func run(token: Secret) async throws(ZoomFailure) {
        let response: ClientResponse
        do throws(HTTPFailure) {
            response = try await http.exchange(
                configuration.request("/accounts?page_size=1", token: token),
                bodyBytesMax: configuration.listBodyBytesMax, timeout: configuration.timeout)
        } catch {
            throw .transport(error)
        }
        do throws(ZoomFailure) {
            _ = try ZoomAnswer.accountPage(try ZoomAnswer.object(of: response, now: time.timestamp))
        } catch {
            if case .api(let status, _, _, _) = error, status < 500, !error.isTokenRefused { return }
            throw error
        }
    }
}
