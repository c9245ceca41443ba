package import Domain
import FoundationEssentials
package import Logging
import NIOCore
package import NIOPosix

/// Where Zoom gives out access tokens (Zoom: Server-to-Server OAuth).
package struct TokenEndpoint: Sendable {
    private let configuration: ZoomConfiguration
    private let http: HTTPClient
    private let time: any TimeSource

    package init(
        configuration: ZoomConfiguration, group: MultiThreadedEventLoopGroup, time: any TimeSource, logger: Logger
    ) {
        self.configuration = configuration
        self.time = time
        http = HTTPClient(
            origin: configuration.oauth.origin, group: group, configuration: configuration.http, logger: logger)
    }

    var origin: Origin { http.origin }

    package func close() async {
        await http.close()
    }

    /// The Server-to-Server OAuth grant.
    package func token(for master: MasterCredentials) async throws(ZoomFailure) -> ZoomAnswer.TokenGrant {
        try ZoomAnswer.tokenGrant(try await response(to: master), now: time.timestamp)
    }

    private func response(to master: MasterCredentials) async throws(ZoomFailure) -> ClientResponse {
        let body = "grant_type=account_credentials&account_id=\(PercentEncoding.encode(master.accountID.rawValue))"
        var request = ClientRequest(
            method: "POST", scheme: http.origin.scheme.rawValue, authority: http.origin.authority,
            target: configuration.oauth.path, body: ByteBuffer(string: body))
        let basic = Data(Array("\(master.clientID):".utf8) + master.clientSecret.bytes).base64EncodedString()
        request.fields.append(.authorization, "Basic \(basic)")
        request.fields.append(.contentType, "application/x-www-form-urlencoded")
        request.fields.append(.contentLength, body.utf8.count)
        request.fields.append(.accept, "application/json")
        request.fields.append(.userAgent, ZoomConfiguration.userAgent)
        // Once more if the connection was lost: it has mostly been idle for an hour, and a second token does no harm.
        var hasReconnected = false
        while true {
            do throws(HTTPFailure) {
                return try await http.exchange(
                    request, bodyBytesMax: configuration.bodyBytesMax, timeout: configuration.timeout)
            } catch {
                let failure = ZoomFailure.transport(error)
                guard failure.isConnectionFault, !hasReconnected else { throw failure }
                hasReconnected = true
            }
        }
    }
}
