import NIOCore

extension SandboxEndpoint {
    /// Server-to-Server OAuth (Zoom: Server-to-Server OAuth). Parameters may be in the body or in the query.
    static let requestAccessToken = SandboxEndpoint(
        title: "Request an access token", method: .post, paths: ["/oauth/token"], access: .unchecked,
        behaviour: .afterBody(bytesMax: 16_384) { sandbox, call, body in
            guard let body, let parameters = parameters(of: call, body) else {
                return SandboxResponse.oauthError("invalid_request", reason: "Bad Request")
            }
            guard parameters["grant_type"] == "account_credentials" else {
                return SandboxResponse.oauthError("unsupported_grant_type", reason: "unsupported grant type")
            }
            guard let basic = call.basicCredentials,
                let app = sandbox.app(clientID: basic.user, secret: basic.password)
            else {
                return SandboxResponse.oauthError("invalid_client", reason: "Invalid client_id or client_secret")
            }
            guard parameters["account_id"] == app.accountID else {
                return SandboxResponse.oauthError("invalid_request", reason: "Bad Request")
            }
            let token = sandbox.tokens.grant(to: app)
            return SandboxResponse.json(status: 200) { object in
                object.member("access_token", token)
                object.member("token_type", "bearer")
                object.member("expires_in", Int(sandbox.tokens.lifetime.components.seconds))
                object.member("scope", app.scopes.joined(separator: " "))
                object.member("api_url", "https://api.zoom.us")
            }
        })

    private static func parameters(of call: SandboxCall, _ body: ByteBuffer) -> [String: String]? {
        SandboxCall.form((call.request.query ?? []) + [UInt8(ascii: "&")] + body.readableBytesView)
    }
}
