import Adapters
import NIOCore

/// The answer of `/status`, or why there is none.
enum StatusReading: Sendable {
    case status(JSONObject, text: ByteBuffer)
    /// The service does not answer now.
    case away(ServiceProblem)
    /// The service refuses the request, and will refuse the next one.
    case refused(ServiceProblem)
}

/// Reads `/status` of the operations listener.
struct StatusSource: Sendable {
    private let http: HTTPClient
    private let path: String
    private let token: String?
    private let timeout: Duration

    private static let bodyBytesMax = 16 << 20

    /// - Parameters:
    ///   - path: The path of the URL, without a trailing slash.
    ///   - token: The token of `ops.token-file`; nil for none.
    init(_ http: HTTPClient, path: String, token: String?, timeout: Duration) {
        self.http = http
        self.path = path
        self.token = token
        self.timeout = timeout
    }

    func read() async -> StatusReading {
        var request = ClientRequest(
            method: "GET", scheme: http.origin.scheme.rawValue, authority: http.origin.authority,
            target: path + "/status")
        request.fields.append(.accept, "application/json")
        if let token { request.fields.append(.authorization, "Bearer \(token)") }
        let response: ClientResponse
        do throws(HTTPFailure) {
            response = try await http.exchange(
                request, bodyBytesMax: Self.bodyBytesMax, timeout: TimeAmount(timeout))
        } catch {
            return .away(ServiceProblem(error, from: http.origin, timeout: timeout, timeoutFlag: nil))
        }
        guard response.status == 200 else {
            let problem = ServiceProblem(response, tokenSource: "--token-file")
            return response.status >= 500 || response.status == 429 ? .away(problem) : .refused(problem)
        }
        guard let object = response.object, object["checks"] != nil else {
            return .refused(ServiceProblem(unusableAnswerOf: http.origin, response.fields))
        }
        return .status(object, text: response.body)
    }
}
