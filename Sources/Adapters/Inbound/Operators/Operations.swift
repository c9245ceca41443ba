import NIOCore

/// The handler of the operators' listener: `/livez`, `/readyz` and `/metrics`.
package final class Operations: RequestHandler {
    private let health: Health
    private let metrics: MetricsRegistry

    package init(health: Health, metrics: MetricsRegistry) {
        self.health = health
        self.metrics = metrics
    }

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        FailureTable.problem(for: refusal).response(RequestID(sent: requestID?[...]))
    }

    private enum Endpoint: Sendable {
        case livez
        case readyz
        case metrics
    }

    private static let routes = RouteTable<Endpoint>([
        .init("/livez", [(.get, .livez)]),
        .init("/readyz", [(.get, .readyz)]),
        .init("/metrics", [(.get, .metrics)]),
    ])

    package func reply(to request: HTTPRequest) -> Reply {
        let requestID = RequestID(of: request)
        var note = RequestNote()
        do throws(ProblemDetails) {
            let match = try Self.routes.match(RequestMethod(request.method), request.path, &note)
            switch match.handler {
            case .livez: return .now(livez(requestID))
            case .readyz: return .now(readyz(isVerbose: isVerbose(request), requestID))
            case .metrics: return .now(metrics(AcceptField(of: request), requestID))
            }
        } catch {
            return .now(error.response(requestID))
        }
    }

    /// The format that `Accept` prefers, and Prometheus' text format without that field.
    private func metrics(_ accept: AcceptField, _ requestID: RequestID) -> HTTPResponse {
        // Prometheus lists OpenMetrics first, with a higher weight.
        let format: MetricSamples.Format? =
            switch accept.preferred(of: ["text/plain", "application/openmetrics-text"]) {
            case "application/openmetrics-text": .openMetrics
            case "text/plain": .text
            default: nil
            }
        guard let format else { return FailureTable.notAcceptable.response(requestID) }
        var body = ByteBuffer()
        metrics.samples().write(format, to: &body)
        return response(200, format.mediaType, body, requestID)
    }

    /// `?verbose`, as Kubernetes' own probes take it.
    private func isVerbose(_ request: HTTPRequest) -> Bool {
        request.query?.split(separator: UInt8(ascii: "&")).contains { $0.starts(with: "verbose".utf8) } ?? false
    }

    private func livez(_ requestID: RequestID) -> HTTPResponse {
        let isAlive = health.stuckLoops == 0
        return response(isAlive ? 200 : 503, requestID) { $0.member("status", isAlive ? "alive" : "stuck") }
    }

    private func readyz(isVerbose: Bool, _ requestID: RequestID) -> HTTPResponse {
        let reports = health.reports()
        let isReady = !reports.contains { $0.finding.status == .failing }
        return response(isReady ? 200 : 503, requestID) { object in
            object.member("status", isReady ? "ready" : "not ready")
            guard isVerbose else { return }
            object.member("checks") { buffer in
                buffer.writeJSONArray(reports) { buffer, report in
                    buffer.writeJSONObject { Self.write(report, to: &$0) }
                }
            }
        }
    }

    private static func write(_ report: Health.Report, to object: inout JSONMemberWriter) {
        object.member("name", report.name)
        object.member("status", report.finding.status.rawValue)
        object.member("since", report.since.rfc3339)
        switch report.finding {
        case .good: break
        case .coming(let detail): object.member("detail", detail)
        case .degraded(let detail, let remedy), .failing(let detail, let remedy):
            object.member("detail", detail)
            object.member("remedy", remedy)
        }
    }

    private func response(
        _ status: Int, _ requestID: RequestID, _ members: (inout JSONMemberWriter) -> Void
    ) -> HTTPResponse {
        var body = ByteBuffer()
        body.writeJSONObject(members)
        body.writeStaticString("\n")
        return response(status, "application/json", body, requestID)
    }

    private func response(
        _ status: Int, _ mediaType: String, _ body: ByteBuffer, _ requestID: RequestID
    ) -> HTTPResponse {
        var response = HTTPResponse(status: status, body: body)
        response.fields.append(.contentType, mediaType)
        response.fields.append(.cacheControl, "private, no-store")
        response.fields.append(.contentTypeOptions, "nosniff")
        response.fields.append(.contentLength, body.readableBytes)
        requestID.append(to: &response.fields)
        return response
    }
}
