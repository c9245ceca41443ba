import Adapters
import ArgumentParser
import Domain

struct CallersAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a caller, and print its new token on standard output.",
        discussion: """
            Creates the callers file if it does not exist, with access for its owner only. Standard output contains the \
            token only. Secret scanners can find tokens with \\b\(CallerToken.prefix)[0-9A-Za-z]{49}\\b.
            """)

    @Option(help: "Name of the caller in logs: up to 64 letters, digits and - _ . @ : /.")
    var name: Name

    @Option(
        help: ArgumentHelp("Scopes to grant, separated by commas: \(Self.scopeNames).", valueName: "scopes"),
        transform: Self.scopes)
    var scopes: Set<Caller.Scope>

    @Option(help: "Master account that the caller may use. Required if there are several.")
    var master: Name?

    @Option(
        help: "Allow-list of sub accounts, separated by commas. Without it, all sub accounts are allowed.",
        transform: Self.accounts)
    var accounts: Set<AccountID>?

    @Option(
        name: .customLong("accounts-from"),
        help: "File with an allow-list of sub accounts, one per line; - for standard input.", completion: .file())
    var accountsFile: String?

    @Option(
        help: "Rate limit of its requests: a burst and a rate, such as 200,20/s.",
        transform: Self.rate)
    var rate: Caller.Rate?

    @Option(help: "Time at which the caller expires, such as 2030-01-31T12:00:00Z.", transform: Self.expiry)
    var expires: Timestamp?

    @Option(
        name: .customLong("certificate-san"),
        help:
            "Identify the caller by this subject alternative name of its client certificate instead of a token, such as URI:spiffe://example/app. Requires http.tls.client-ca.",
        transform: Self.certificate)
    var certificate: CallersDocument.Credential?

    @OptionGroup var fileFlags: CallersFileFlags

    func run() async throws {
        let file = try await fileFlags.file()
        let accounts = try await allAccounts().map { AllowList($0) }
        let caller = Caller(name: name, scopes: scopes, master: master, accounts: accounts, rate: rate)
        let token = certificate == nil ? NewToken() : nil
        let credential = certificate ?? token.map { .token($0.digest, previous: nil) }
        guard let credential else { preconditionFailure("a caller without certificate gets a token") }
        try file.update(showing: token) { document throws(FileProblem) in
            guard document[name] == nil else {
                throw file.problem(
                    "already contains a caller \(name); to give it another token, run billing-service callers rotate")
            }
            try file.set(CallersDocument.Entry(caller, credential: credential, expires: expires), in: &document)
        }
        let message = "added \(name) to \(file.file.path)"
        guard token != nil else { return try Output.confirm(message) }
        // Standard output contains only the token.
        Output.writeError(message + "; the token is not shown again\n")
    }

    // MARK: Arguments

    private static var scopeNames: String { Caller.Scope.allCases.map(\.rawValue).joined(separator: ", ") }

    private static func scopes(_ text: String) throws -> Set<Caller.Scope> {
        Set(
            try text.split(separator: ",", omittingEmptySubsequences: false).map { name in
                guard let scope = Caller.Scope(rawValue: String(name)) else {
                    throw ValidationError("\"\(name)\" is not one of \(scopeNames).")
                }
                return scope
            })
    }

    private static func accounts(_ text: String) throws -> Set<AccountID> {
        try accounts(text.split(separator: ",", omittingEmptySubsequences: false))
    }

    private static func accounts(_ texts: [Substring]) throws -> Set<AccountID> {
        Set(
            try texts.map { text in
                guard let account = AccountID(String(text)), !account.isMasterAlias else {
                    throw ValidationError("\"\(text)\" is not the id of a sub account.")
                }
                return account
            })
    }

    private func allAccounts() async throws -> Set<AccountID>? {
        guard let accountsFile else { return accounts }
        let named = try await AccountListInput.read(accountsFile)
        if let alias = named.first(where: \.isMasterAlias) {
            throw ValidationError("\"\(alias)\" is not the id of a sub account.")
        }
        return (accounts ?? []).union(named)
    }

    private static func rate(_ text: String) throws -> Caller.Rate {
        guard let rate = Limits.Rate(text) else { throw ValidationError("It is not a rate such as 200,20/s.") }
        return Caller.Rate(burst: rate.burst, perSecond: rate.perSecond)
    }

    private static func expiry(_ text: String) throws -> Timestamp {
        guard let expires = Timestamp(rfc3339: text) else {
            throw ValidationError("It is not a time such as 2030-01-31T12:00:00Z.")
        }
        guard expires > SystemTime().timestamp else { throw ValidationError("It is in the past.") }
        return expires
    }

    private static func certificate(_ text: String) throws -> CallersDocument.Credential {
        guard let credential = CallersDocument.certificate(named: text) else {
            let kinds = CallersDocument.certificateNameKinds.joined(separator: " ")
            throw ValidationError("It must begin with one of \(kinds).")
        }
        return credential
    }
}
