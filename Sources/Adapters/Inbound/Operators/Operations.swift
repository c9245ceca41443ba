import NIOCore

/// The handler of the operations listener: the operator's page, and what probes and scrapers read.
package final class Operations: RequestHandler {
    private let health: Health
    private let metrics: MetricsRegistry
    private let page: OperatorPage
    private let events: PageEvents
    private let access: OperatorAccess

    /// - Parameter access: Protects the page and the status, but not what probes and scrapers read.
    package init(
        health: Health, metrics: MetricsRegistry, page: OperatorPage, events: PageEvents, access: OperatorAccess
    ) {
        self.health = health
        self.metrics = metrics
        self.page = page
        self.events = events
        self.access = access
    }

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        FailureTable.problem(for: refusal).response(RequestID(sent: requestID?[...]))
    }

    private enum Endpoint: Sendable {
        case livez
        case readyz
        case metrics
        case page
        case status
        case events
        case document(DocumentRoute)
    }

    private static let routes = RouteTable<Endpoint>([
        .init("/", [(.get, .page)]),
        .init("/status", [(.get, .status)]),
        .init("/status/events", [(.get, .events)]),
        .init("/livez", [(.get, .livez)]),
        .init("/readyz", [(.get, .readyz)]),
        .init("/metrics", [(.get, .metrics)]),
        .init("/api", [(.get, .document(.document(APIPage.document)))]),
        .init(APIPage.rendererPath, [(.get, .document(DocumentRoute(APIPage.renderer)))]),
        .init("/openapi.json", [(.get, .document(DocumentRoute(Documents.openapiJSON)))]),
        .init("/openapi.yaml", [(.get, .document(.document(Documents.openapiYAML)))]),
        .init(ProblemType.page, [(.get, .document(.document(Documents.errors)))]),
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
            case .page:
                try access.check(request)
                return .now(pageResponse(requestID))
            case .status:
                try access.check(request)
                return .now(response(200, "application/json", page.statusJSON(), requestID))
            case .events:
                try access.check(request)
                return .stream(head(200, "text/event-stream", requestID)) { [events] in await events.send(to: $0) }
            case .document(let route): return .now(route.response(to: request, requestID))
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
                buffer.writeJSONArray(reports) { buffer, report in buffer.writeJSONObject { report.write(to: &$0) } }
            }
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
        var response = head(status, mediaType, requestID)
        response.fields.append(.contentLength, body.readableBytes)
        response.body = body
        return response
    }

    private func head(_ status: Int, _ mediaType: String, _ requestID: RequestID) -> HTTPResponse {
        var head = HTTPResponse(status: status)
        head.fields.append(.contentType, mediaType)
        head.fields.append(.cacheControl, "private, no-store")
        head.fields.append(.contentTypeOptions, "nosniff")
        requestID.append(to: &head.fields)
        return head
    }

    private func pageResponse(_ requestID: RequestID) -> HTTPResponse {
        var response = response(200, "text/html; charset=utf-8", page.html(), requestID)
        response.fields.append(.contentSecurityPolicy, OperatorPage.contentSecurityPolicy)
        response.fields.append(.referrerPolicy, "no-referrer")
        return response
    }
}
