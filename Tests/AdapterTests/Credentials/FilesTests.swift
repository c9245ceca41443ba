import Adapters
import Domain
import DomainFakes
import Testing

@Suite("The credentials file")
struct CredentialsFileTests {
    @Test("holds the credentials of one master account")
    func reads() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/credentials.json"
            try write(
                #"{"masters":[{"name":"main","account_id":"m1","client_id":"c1","client_secret":"s1"}]}"#, to: path)
            let credentials = try await CredentialsFile(path: path).masterCredentials()
            #expect(
                credentials
                    == MasterCredentials(
                        name: "main", accountID: AccountID(literal: "m1"), clientID: "c1", clientSecret: Secret("s1")))
        }
    }

    @Test("is read anew each time")
    func rotated() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/credentials.json"
            let file = CredentialsFile(path: path)
            for secret in ["s1", "s2"] {
                try write(
                    #"{"masters":[{"name":"main","account_id":"m","client_id":"c","client_secret":"\#(secret)"}]}"#,
                    to: path)
                #expect(try await file.masterCredentials().clientSecret.reveal() == secret)
            }
        }
    }

    @Test(
        "that cannot be used is refused with the reason and without its content",
        arguments: [
            ("", "not JSON"), ("[]", "not a JSON object"), ("{}", "\"masters\" must be an array"),
            (#"{"masters":[]}"#, "it holds 0"), (#"{"masters":[1]}"#, "it holds 1"),
            (#"{"masters":[{"name":"n","account_id":"hunter2 hunter2"}]}"#, "cannot be the id"),
            (#"{"masters":[{"name":"n","account_id":"m","client_id":"c","client_secret":7}]}"#, "\"client_secret\""),
            (#"{"masters":[{"name":"n","account_id":"m","client_id":"c","client_secret":"hunter2}]}"#, "not JSON"),
        ])
    func refuses(text: String, reason: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/credentials.json"
            try write(text, to: path)
            let problem = try #require(throws: FileProblem.self) { try CredentialsFile(path: path).read() }
            #expect("\(problem)".hasPrefix(path) && "\(problem)".contains(reason))
            #expect(!"\(problem)".contains("hunter2"))
        }
    }

    @Test("that is missing is said to be")
    func missing() throws {
        let problem = try #require(throws: FileProblem.self) {
            try CredentialsFile(path: "/nonexistent/credentials.json").read()
        }
        #expect("\(problem)" == "/nonexistent/credentials.json: no such file")
    }
}

@Suite("The callers file")
struct CallersFileTests {
    private static let digest = SHA256Digest(of: "token")

    @Test("knows callers by the digest of their tokens")
    func reads() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/callers.json"
            let text =
                #"{"callers":[{"name":"reports","token_sha256":"\#(Self.digest.hexadecimal)","scopes":["billing:read"]}]}"#
            try write(text, to: path)
            let registry = try CallersFile(path: path).read()
            #expect(registry.caller(presenting: Self.digest) == Caller(name: "reports", scopes: [.billingRead]))
            #expect(registry.caller(presenting: SHA256Digest(of: "other")) == nil)
        }
    }

    @Test(
        "that cannot be used is refused with the reason",
        arguments: [
            (#"{"callers":[]}"#, "at least one"), (#"{"callers":[{}]}"#, "caller 1 has no \"name\""),
            (#"{"callers":[{"name":"a","token_sha256":"token"}]}"#, "64 hexadecimal digits"),
            (
                #"{"callers":[{"name":"a","token_sha256":"\#(digest.hexadecimal)","scopes":["all"]}]}"#,
                "none of billing:read"
            ),
            (
                #"{"callers":[{"name":"a","token_sha256":"\#(digest.hexadecimal)","scopes":[]},"#
                    + #"{"name":"b","token_sha256":"\#(digest.hexadecimal)","scopes":[]}]}"#,
                "caller 2 has the same token"
            ),
        ])
    func refuses(text: String, reason: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/callers.json"
            try write(text, to: path)
            let problem = try #require(throws: FileProblem.self) { try CallersFile(path: path).read() }
            #expect("\(problem)".contains(reason))
        }
    }
}
