import NIOCore

/// What the listener for probes answers: `/livez` and `/readyz`.
package final class Operations: RequestHandler {
    private let health: Health

    package init(health: Health) {
        self.health = health
    }

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?) -> HTTPResponse {
        FailureTable.problem(for: refusal).response(RequestID(sent: requestID?[...]))
    }

    package func reply(to request: HTTPRequest) -> Reply {
        let requestID = RequestID(of: request)
        let isLive = request.path.elementsEqual("/livez".utf8)
        guard isLive || request.path.elementsEqual("/readyz".utf8) else {
            return .now(FailureTable.unknownPath.response(requestID))
        }
        let method = request.method
        guard method.elementsEqual("GET".utf8) || method.elementsEqual("HEAD".utf8) else {
            return .now(FailureTable.readOnly.response(requestID))
        }
        return .now(isLive ? livez(requestID) : readyz(isVerbose: isVerbose(request), requestID))
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
        var response = HTTPResponse(status: status, body: body)
        response.fields.append(.contentType, "application/json")
        response.fields.append(.cacheControl, "private, no-store")
        response.fields.append(.contentTypeOptions, "nosniff")
        response.fields.append(.contentLength, body.readableBytes)
        requestID.append(to: &response.fields)
        return response
    }
}
