import FoundationEssentials

/// A request for an operation of the sandbox.
struct SandboxCall: Sendable {
    let operation: SandboxOperation
    let request: HTTPRequest

    /// The parameters in the path, by name.
    let parameters: [String: String]

    /// The account in the path; empty for operations that are not about one account.
    var account: String { parameters["accountId"] ?? "" }

    /// The invoice in the path; empty for operations that are not about one invoice.
    var invoice: String { parameters["invoiceId"] ?? "" }

    /// `nil` if no operation has the method and path of the request.
    init?(_ request: HTTPRequest) {
        let method = String(decoding: request.method, as: UTF8.self)
        let path = String(decoding: request.path, as: UTF8.self).split(separator: "/", omittingEmptySubsequences: false)
        for operation in SandboxOperation.allCases where operation.endpoint.method.rawValue == method {
            for template in operation.endpoint.paths {
                guard let parameters = template.parameters(of: path) else { continue }
                self.operation = operation
                self.request = request
                self.parameters = parameters
                return
            }
        }
        return nil
    }

    /// The parameters of the query; `nil` if one is repeated.
    var query: [String: String]? { Self.form(request.query ?? []) }

    /// Parses a query or form body; `nil` if a parameter is repeated (RFC 6749, 3.2).
    static func form(_ text: ArraySlice<UInt8>) -> [String: String]? {
        var parameters: [String: String] = [:]
        for pair in text.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(parts[0]) else { continue }
            guard parameters[name] == nil else { return nil }
            parameters[name] = parts.count == 2 ? PercentEncoding.decode(parts[1]) : ""
        }
        return parameters
    }

    /// The access token in `Authorization` (RFC 6750).
    var bearerToken: String? {
        request.fields[.authorization].flatMap { AuthorizationField.credentials(of: "Bearer", in: $0) }
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// The client id and secret in `Authorization` (RFC 7617).
    var basicCredentials: (user: String, password: String)? {
        guard let field = request.fields[.authorization],
            let encoded = AuthorizationField.credentials(of: "Basic", in: field),
            let data = Data(base64Encoded: String(decoding: encoded, as: UTF8.self))
        else { return nil }
        let parts = String(decoding: data, as: UTF8.self).split(
            separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }
}
