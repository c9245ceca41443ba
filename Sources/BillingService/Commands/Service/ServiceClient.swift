import Adapters
import Logging
import NIOCore
import NIOPosix

/// Sends requests to a service. A request is not repeated: the user decides about that.
struct ServiceClient: Sendable {
    private let http: HTTPClient
    private let endpoint: ServiceEndpoint
    private let timeout: Duration

    /// Enough for any answer that the service passes on.
    private static let bodyBytesMax = 64 << 20

    /// Calls `body` with a client, and closes its connections afterwards.
    static func with<Result>(
        _ endpoint: ServiceEndpoint, timeout: Duration, logger: Logger,
        _ body: (ServiceClient) async throws -> Result
    ) async throws -> Result {
        var configuration = endpoint.http
        configuration.firstByte = TimeAmount(timeout)
        let http = HTTPClient(
            origin: endpoint.url.origin, group: .singleton, configuration: configuration, logger: logger)
        let client = ServiceClient(http: http, endpoint: endpoint, timeout: timeout)
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(client))
        } catch {
            result = .failure(error)
        }
        await http.close()
        return try result.get()
    }

    private init(http: HTTPClient, endpoint: ServiceEndpoint, timeout: Duration) {
        self.http = http
        self.endpoint = endpoint
        self.timeout = timeout
    }

    /// A JSON object, and the response that contains it.
    struct Answer: Sendable {
        let object: JSONObject
        let response: ClientResponse
    }

    /// - Parameter listsViolations: Whether the problem has a line for each violation; see `ServiceProblem`.
    /// - Throws: `ServiceProblem`.
    func object(_ request: ServiceRequest, listsViolations: Bool = false) async throws(ServiceProblem) -> Answer {
        let response: ClientResponse
        do throws(HTTPFailure) {
            response = try await exchange(request)
        } catch {
            throw problem(error)
        }
        guard response.status == 200 else { throw ServiceProblem(response, listsViolations: listsViolations) }
        guard let object = response.object else { throw unusable(response) }
        return Answer(object: object, response: response)
    }

    /// - Parameter mark: Set when the request may have left this process.
    /// - Returns: A response of any status.
    func exchange(
        _ request: ServiceRequest, mark: SendMark? = nil
    ) async throws(HTTPFailure) -> ClientResponse {
        var call = call(request, accept: "application/json")
        call.sendMark = mark
        return try await http.exchange(call, bodyBytesMax: Self.bodyBytesMax, timeout: TimeAmount(timeout))
    }

    /// The problem of an exchange that failed.
    func problem(_ failure: HTTPFailure) -> ServiceProblem {
        ServiceProblem(failure, from: http.origin, timeout: timeout)
    }

    /// The problem of a response that is none of the service's.
    func unusable(_ response: ClientResponse) -> ServiceProblem {
        ServiceProblem(unusableAnswerOf: http.origin, response.fields)
    }

    /// - Throws: `ServiceProblem`.
    func pdf(_ request: ServiceRequest) async throws(ServiceProblem) -> PDFResponse {
        let time = TimeAmount(timeout)
        let response: StreamedResponse
        let refusal: ClientResponse?
        do throws(HTTPFailure) {
            response = try await http.stream(
                call(request, accept: "application/pdf"), headTimeout: time, silenceMax: time)
            refusal = response.status == 200 ? nil : try await response.collect(bytesMax: Self.bodyBytesMax)
        } catch {
            throw ServiceProblem(error, from: http.origin, timeout: timeout)
        }
        if let refusal { throw ServiceProblem(refusal) }
        return try await PDFResponse(response, from: http.origin, timeout: timeout)
    }

    /// The problem of a list whose pages repeat.
    var endlessList: ServiceProblem { ServiceProblem(endlessListOf: http.origin) }

    private func call(_ request: ServiceRequest, accept: String) -> ClientRequest {
        var body = ByteBuffer()
        if let value = request.body { body.writeJSON(value) }
        var call = ClientRequest(
            method: request.method.rawValue, scheme: http.origin.scheme.rawValue, authority: http.origin.authority,
            target: request.target(under: endpoint.url.path), body: body)
        call.fields.append(.authorization, "Bearer \(endpoint.token)")
        call.fields.append(.accept, accept)
        if request.body != nil { call.fields.append(.contentType, "application/json") }
        for field in request.fields { call.fields.append(field.name, field.value) }
        return call
    }
}

extension ClientResponse {
    /// The JSON object of the body; nil for any other body.
    var object: JSONObject? { (try? JSONValue(parsing: Array(body.readableBytesView)))?.object }
}
