import NIOCore

/// How the sandbox implements an operation: method, path, access checks and response.
///
/// The descriptions follow Zoom's documentation and share nothing with the Zoom client. With a shared table, a mistake in it
/// would pass all tests.
struct SandboxEndpoint: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    /// The checks before the operation responds.
    enum Access: Sendable {
        /// None: the operation authenticates the app itself.
        case unchecked

        /// In this order: an access token, any one of the scopes, a master account on a paid plan, and the rate limits.
        case accessToken(
            anyOf: [String], label: SandboxRateLimits.Label, perAccount: SandboxRateLimits.PerAccount? = nil,
            account: PathAccount = .subAccount)
    }

    /// The accounts that may be in the path.
    enum PathAccount: Sendable {
        case subAccount
        /// Also `me`, the account of the app.
        case subAccountOrMe
    }

    enum Behaviour: Sendable {
        /// Responds immediately, without reading the request body.
        case immediate(@Sendable (SandboxZoom, SandboxCall) -> HTTPResponse)

        /// The same, with a file or a response.
        case file(@Sendable (SandboxZoom, SandboxCall) -> SandboxReply)

        /// Reads the request body first. The body is `nil` if it is incomplete or larger than `bytesMax`.
        case afterBody(bytesMax: Int, @Sendable (SandboxZoom, SandboxCall, ByteBuffer?) -> HTTPResponse)

        /// Reads a JSON object, and changes the account in the path.
        case write(SandboxChange)

        /// Changes which accounts exist. The body is `nil` if it is incomplete or too large.
        case membership(@Sendable (SandboxZoom, SandboxCall, ByteBuffer?) throws(SandboxRefusal) -> HTTPResponse)
    }

    /// Zoom's title of the operation, which its error messages contain.
    let title: String
    let method: Method

    /// The paths of the operation, usually one.
    let paths: [SandboxPathTemplate]
    let access: Access
    let behaviour: Behaviour
}
