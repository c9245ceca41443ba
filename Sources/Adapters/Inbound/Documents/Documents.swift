/// The documents of the service.
enum Documents {
    static let errors = ErrorsPage.document
    static let openapiYAML = PublishedDocument("application/yaml", EmbeddedFile.openapiYAML)

    /// `nil` if the program was built without `make assets`.
    static let openapiJSON = EmbeddedFile.openapiJSON.map { PublishedDocument("application/json", $0) }
}

/// A path with a document, or with the reason why there is none.
enum DocumentRoute: Sendable {
    case document(PublishedDocument)
    case missing(ProblemDetails)

    /// - Parameter document: `nil` if this build has none.
    init(_ document: PublishedDocument?) {
        self = document.map(DocumentRoute.document) ?? .missing(FailureTable.notInThisBuild)
    }

    func response(to request: HTTPRequest, _ requestID: RequestID) -> HTTPResponse {
        switch self {
        case .document(let document): document.response(to: request, requestID)
        case .missing(let problem): problem.response(requestID)
        }
    }
}

/// The documents for callers, which need no token.
struct CallerDocuments: Sendable {
    private let routes: RouteTable<DocumentRoute>

    /// The labels of all routes of the listener.
    var labels: [RouteLabel] { routes.labels }

    /// - Parameter labels: The labels of the listener's other routes.
    init(after labels: [RouteLabel]) {
        routes = RouteTable(
            [
                .init(ProblemType.page, [(.get, .document(Documents.errors))]),
                .init("/v2/openapi.json", [(.get, DocumentRoute(Documents.openapiJSON))]),
                .init("/v2/openapi.yaml", [(.get, .document(Documents.openapiYAML))]),
            ], after: labels)
    }

    /// - Parameter note: Receives the route, as soon as the path is known.
    func response(
        to request: HTTPRequest, _ method: RequestMethod, _ requestID: RequestID, _ note: inout RequestNote
    ) -> HTTPResponse {
        do throws(ProblemDetails) {
            return try routes.match(method, request.path, &note).handler.response(to: request, requestID)
        } catch {
            return error.response(requestID)
        }
    }
}
