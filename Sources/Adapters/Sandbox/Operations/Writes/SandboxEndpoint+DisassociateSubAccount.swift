import NIOCore

extension SandboxEndpoint {
    /// Removes an account without plans from the list (Zoom: Disassociate a sub account).
    static let disassociateSubAccount = SandboxEndpoint(
        title: "Disassociate a sub account", method: .delete, paths: ["/v2/accounts/{accountId}"],
        access: .accessToken(
            anyOf: ["account:master", "account:write:admin", "account:delete:sub_account:master"], label: .light),
        behaviour: .membership { sandbox, call, _ throws(SandboxRefusal) in
            guard let number = sandbox.accounts.number(of: call.account) else {
                throw .status(404, code: 2001, "Account does not exist: \(call.account).")
            }
            guard sandbox.disassociate(number) else {
                throw .status(404, code: 2000, "You cannot disassociate a paid account.")
            }
            return HTTPResponse(status: 204)
        })
}
