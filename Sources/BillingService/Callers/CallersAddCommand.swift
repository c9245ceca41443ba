import Adapters
import ArgumentParser
import Domain
import Foundation

struct CallersAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a program that may call, and print its new token alone on standard output.",
        discussion: """
            A file that is not there yet is made, for its owner alone. Tokens begin with \(CallerToken.prefix); scanners \
            for secrets find them by \\b\(CallerToken.prefix)[0-9A-Za-z]{49}\\b.
            """)

    @Option(help: "Your name for the caller: up to 64 letters, digits and - _ . @ : /. It is in every log line of its.")
    var name: Name

    @Option(
        help: ArgumentHelp("What it may do, parted by commas: \(Self.scopeNames).", valueName: "scopes"),
        transform: Self.scopes)
    var scopes: Set<Caller.Scope>

    @Option(help: "The master account that it may use. Needed where there is more than one.")
    var master: Name?

    @Option(
        help: "The sub accounts that it may ask about, parted by commas; all of them if not given.",
        transform: Self.accounts)
    var accounts: Set<AccountID>?

    @Option(
        name: .customLong("accounts-from"), help: "File with such sub accounts, one a line; - for standard input.")
    var accountsFile: String?

    @Option(
        help: "Requests it may send: so many at once, and so many a second after that, as 200,20/s.",
        transform: Self.rate)
    var rate: Caller.Rate?

    @Option(help: "When its rights end, as 2030-01-31T12:00:00Z.", transform: Self.expiry)
    var expires: Timestamp?

    @Option(
        name: .customLong("certificate-san"),
        help:
            "Know it by this name in its client certificate (http.tls.client-ca) instead of by a token, as URI:spiffe://example/app.",
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
                    "there is a caller \(name) in it already; billing-service callers rotate gives it another token")
            }
            try file.set(CallersDocument.Entry(caller, credential: credential, expires: expires), in: &document)
        }
        let message = "added \(name) to \(file.file.path)"
        guard token != nil else { return try Output.confirm(message) }
        // Standard output has the token alone.
        Output.writeError(message + "; its token is not shown again\n")
    }

    // MARK: Arguments

    private static var scopeNames: String { Caller.Scope.allCases.map(\.rawValue).joined(separator: ", ") }

    private static func scopes(_ text: String) throws -> Set<Caller.Scope> {
        Set(
            try text.split(separator: ",", omittingEmptySubsequences: false).map { name in
                guard let scope = Caller.Scope(rawValue: String(name)) else {
                    throw ValidationError("\"\(name)\" is none of \(scopeNames).")
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
                    throw ValidationError("\"\(text)\" is no id of a sub account.")
                }
                return account
            })
    }

    private func allAccounts() async throws -> Set<AccountID>? {
        guard let accountsFile else { return accounts }
        let named = try await AccountListInput.read(accountsFile)
        if let alias = named.first(where: \.isMasterAlias) {
            throw ValidationError("\"\(alias)\" is no id of a sub account.")
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
        guard expires > SystemTime().timestamp else { throw ValidationError("It has passed.") }
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
