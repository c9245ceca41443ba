package import Domain
import FoundationEssentials
package import Logging
import NIOCore
package import NIOPosix
import Tracing

/// Zoom's token endpoint (Zoom: Server-to-Server OAuth).
package struct TokenEndpoint: Sendable {
    private let configuration: ZoomConfiguration
    private let http: HTTPClient
    private let time: any TimeSource

    /// An access token takes less than 2 KiB.
    private static let answerBytesMax = 256 * 1024

    package init(
        configuration: ZoomConfiguration, group: MultiThreadedEventLoopGroup, time: any TimeSource, logger: Logger
    ) {
        self.configuration = configuration
        self.time = time
        http = HTTPClient(
            origin: configuration.oauth.origin, group: group, configuration: configuration.http, logger: logger)
    }

    package func close() async {
        await http.close()
    }

    /// Requests an access token.
    package func token(for master: MasterCredentials) async throws(ZoomFailure) -> TokenGrant {
        try TokenGrant(try await response(to: master), now: time.timestamp)
    }

    /// Requests an access token, recorded as a span and in the metrics.
    func token(
        for master: MasterCredentials, _ metrics: ZoomMetrics, _ tracer: ServiceTracer
    ) async throws(ZoomFailure) -> TokenGrant {
        let began = NIODeadline.now()
        let span = tracer.startSpan("token", ofKind: .client)
        defer { span.end() }
        do throws(ZoomFailure) {
            let grant = try await token(for: master)
            record(.success(200), since: began, metrics)
            metrics.countCall(.token, .ok)
            return grant
        } catch {
            switch error {
            case .transport(let failure): record(.failure(failure), since: began, metrics)
            case .api(let status, _, _, _): record(.success(status), since: began, metrics)
            case .credentials: record(.success(400), since: began, metrics)
            case .unreadable: record(.success(200), since: began, metrics)
            case .unusableFile, .misaddressed, .token, .rateLimited, .dailyQuotaSpent, .quotaSpent, .unavailable,
                .scopesMissing, .stopped:
                break
            }
            let isRefused = if case .credentials = error { true } else { false }
            metrics.countCall(.token, isRefused ? .refused : error.metricsOutcome)
            span.recordError(error)
            throw error
        }
    }

    private func record(_ result: Result<Int, HTTPFailure>, since began: NIODeadline, _ metrics: ZoomMetrics) {
        metrics.recordExchange("POST", "token", http.origin, result, duration: NIODeadline.now() - began)
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
        // Once more if the connection was lost: it was probably idle for an hour, and a second token does no harm.
        var hasReconnected = false
        while true {
            do throws(HTTPFailure) {
                return try await http.exchange(
                    request, bodyBytesMax: Self.answerBytesMax, timeout: configuration.timeout)
            } catch {
                let failure = ZoomFailure.transport(error)
                guard failure.isConnectionFault, !hasReconnected else { throw failure }
                hasReconnected = true
            }
        }
    }
}
