package import Domain

/// A write that the sandbox received, and its effect.
package struct SandboxWrite: Sendable {
    package enum Effect: String, Sendable {
        /// It took effect.
        case applied
        /// It took no effect, and the response is an error.
        case refused
        /// It took no effect because of a fault, and there was no response or one that is not an error.
        case none
    }

    /// From 1, in the order of the effects.
    package let sequence: Int
    package let operation: SandboxOperation

    /// The account id in the path.
    package let account: String

    /// The request body as received; empty if it was incomplete or larger than 1 MiB.
    package let body: [UInt8]
    package let effect: Effect

    /// The status of the response; `nil` without a response.
    package let status: Int?

    /// The fault under which the request was processed.
    package let fault: SandboxFault.Kind?

    /// The request's `x-request-id`.
    package let requestID: String?
    package let time: Timestamp

    func write(to object: inout JSONMemberWriter) {
        object.member("sequence", sequence)
        object.member("operation", operation.rawValue)
        object.member("account_id", account)
        object.member("effect", effect.rawValue)
        object.member("status", status)
        if let fault { object.member("fault", fault.rawValue) }
        if let requestID { object.member("request_id", requestID) }
        object.member("time", time.rfc3339)
        object.member("body", String(decoding: body, as: UTF8.self))
    }
}
