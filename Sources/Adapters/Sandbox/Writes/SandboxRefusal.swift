import NIOCore

/// Zoom's refusal of a write.
enum SandboxRefusal: Error {
    case status(Int, code: Int, String)

    /// A text that the reference files under "200" or "300" instead of an HTTP status.
    case slot(Int, String)

    /// Fields that are invalid, with a message for each.
    case fields([(name: String, message: String)])

    /// The general refusal of the billing operations: 400 with the code 2100.
    static func billing(_ message: String) -> Self { .status(400, code: 2100, message) }

    /// 400 with the code 3261.
    static func changeFailed(_ message: String) -> Self { .status(400, code: 3261, message) }

    static func invalidParameter(_ name: String) -> Self { .slot(300, "Invalid parameter \"\(name)\".") }

    static let notAnObject = slot(300, "Request Body should be a valid JSON object.")

    /// - Parameter kind: For one kind of account, the HTTP status of a text in a slot is 200.
    func response(for kind: SandboxAccountKind?) -> HTTPResponse {
        switch self {
        case .status(let status, let code, let message): SandboxResponse.error(status, code, message)
        case .slot(let code, let message):
            SandboxResponse.error(kind == .freeWithSuccessStatus ? 200 : 400, code, message)
        case .fields(let fields): SandboxResponse.invalid(fields)
        }
    }
}
