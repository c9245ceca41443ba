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

    /// - Returns: A JSON object, and its bytes as they arrived.
    /// - Throws: `ServiceProblem`.
    func object(_ request: ServiceRequest) async throws(ServiceProblem) -> (object: JSONObject, body: ByteBuffer) {
        let call = call(request, accept: "application/json")
        let response: ClientResponse
        do throws(HTTPFailure) {
            response = try await http.exchange(call, bodyBytesMax: Self.bodyBytesMax, timeout: TimeAmount(timeout))
        } catch {
            throw ServiceProblem(error, from: http.origin, timeout: timeout)
        }
        guard response.status == 200 else { throw ServiceProblem(response) }
        let value = try? JSONValue(parsing: Array(response.body.readableBytesView))
        guard let object = value?.object else { throw ServiceProblem(unusableAnswerOf: http.origin, response.fields) }
        return (object, response.body)
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
        var call = ClientRequest(
            method: "GET", scheme: http.origin.scheme.rawValue, authority: http.origin.authority,
            target: request.target(under: endpoint.url.path))
        call.fields.append(.authorization, "Bearer \(endpoint.token)")
        call.fields.append(.accept, accept)
        return call
    }
}
