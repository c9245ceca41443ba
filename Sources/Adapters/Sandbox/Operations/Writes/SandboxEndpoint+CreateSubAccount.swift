import NIOCore

extension SandboxEndpoint {
    /// Creates an account without plans (Zoom: Create a sub account). Of its options, `pay_mode` has an effect.
    static let createSubAccount = SandboxEndpoint(
        title: "Create a sub account", method: .post, paths: ["/v2/accounts"],
        access: .accessToken(
            anyOf: ["account:master", "account:write:admin", "account:write:sub_account:master"], label: .light),
        behaviour: .membership { sandbox, call, body throws(SandboxRefusal) in
            let members = try SandboxWriteBody(body, contentType: call.request.fields.string(.contentType))
            var texts: [String: String] = [:]
            for name in ["first_name", "last_name", "email", "password"] {
                guard let text = members.text(name) else { throw .slot(300, "Missing field: \(name).") }
                texts[name] = text
            }
            guard let email = texts["email"], SandboxAccountDraft.isEmail(email) else {
                throw .fields([("email", "Invalid field.")])
            }
            texts["password"] = nil
            let name = members.text("account_name") ?? "\(texts["first_name"] ?? "") \(texts["last_name"] ?? "")"
            let account = SandboxMembership.Created(name: name, ownerEmail: email, day: sandbox.today)
            let isSelfPay = try isSelfPay(members)
            guard let number = sandbox.create(account, isSelfPay: isSelfPay, contact: texts) else {
                throw .status(409, code: 1005, "Email \(email) has already been used.")
            }
            let accounts = sandbox.accounts
            return SandboxResponse.json(status: 201) { object in
                object.member("id", accounts.id(of: number))
                object.member("owner_id", accounts.ownerID(number))
                object.member("owner_email", email)
                object.member("created_at", "\(accounts.created(number).text)T09:00:00Z")
            }
        })

    private static func isSelfPay(_ members: SandboxWriteBody) throws(SandboxRefusal) -> Bool {
        switch members["options"]?.object?["pay_mode"] {
        case nil, .string("master"): false
        case .string("sub"): true
        case _?: throw .invalidParameter("pay_mode")
        }
    }
}
