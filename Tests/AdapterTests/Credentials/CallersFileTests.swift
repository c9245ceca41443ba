import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("Callers file")
struct CallersFileTests {
    private static let digest = SHA256Digest(of: "token")

    struct Wrong: CustomTestStringConvertible {
        let text: String
        let reason: String
        var testDescription: String { text }
    }

    private static func caller(_ members: String) -> String {
        #"{"callers":[{"name":"job","token_sha256":"\#(digest.hexadecimal)","scopes":["billing:read"]\#(members)}]}"#
    }

    private static func document(_ text: String) throws -> CallersDocument {
        try CallersDocument(parsing: Array(text.utf8))
    }

    @Test("every member of a caller survives writing and reading")
    func whole() throws {
        let document = try Self.document(
            Self.caller(
                #","master":"main","accounts":["b","a"],"rate":"200,20/s","expires":"2030-01-31T12:00:00Z""#))
        let entry = try #require(document[Name(literal: "job")])
        #expect(
            entry.caller
                == Caller(
                    name: Name(literal: "job"), scopes: [.billingRead], master: Name(literal: "main"),
                    accounts: [AccountID(literal: "a"), AccountID(literal: "b")],
                    rate: Caller.Rate(burst: 200, perSecond: 20)))
        let end = Timestamp(secondsSinceEpoch: 1_896_091_200)
        #expect(entry.expires == end && entry.credential == .token(Self.digest, previous: nil))
        #expect(entry.isLive(at: Timestamp(secondsSinceEpoch: end.secondsSinceEpoch - 1)) && !entry.isLive(at: end))
        #expect(try CallersDocument(parsing: document.text) == document)
    }

    @Test("a caller is found by either of two tokens or by a name in its certificate")
    func known() throws {
        let other = SHA256Digest(of: "other")
        var document = try Self.document(
            Self.caller("").replacing(
                "\"\(Self.digest.hexadecimal)\"",
                with: "[\"\(Self.digest.hexadecimal)\",\"\(other.hexadecimal.uppercased())\"]"))
        let certified = CallersDocument.Entry(
            Caller(name: Name(literal: "reports"), scopes: []),
            credential: .certificate(san: "URI:spiffe://example/reports")
        )
        try document.set(certified)
        #expect(try CallersDocument(parsing: document.text) == document)
        let registry = CallerRegistry(document)
        for digest in [Self.digest, other] {
            #expect(registry.entry(presenting: digest)?.caller.name.rawValue == "job")
        }
        #expect(registry.entry(presenting: SHA256Digest(of: "third")) == nil)
        #expect(registry.entry(certificateNames: ["DNS:x", "URI:spiffe://example/reports"]) == certified)
        #expect(registry.entry(certificateNames: ["DNS:x"]) == nil)
    }

    @Test(
        "a certificate name in the file is read in its canonical form",
        arguments: [
            ("IP:2001:DB8:0:0:0:0:0:7", "IP:2001:db8::7"), ("IP:192.0.2.7", "IP:192.0.2.7"),
            ("DNS:Reports.Example.", "DNS:reports.example"),
            ("URI:SPIFFE://Example/Reports", "URI:spiffe://example/Reports"),
            ("URI:https://User@Example/a?B", "URI:https://User@example/a?B"), ("URI:URN:x:Y", "URI:urn:x:Y"),
            ("email:Jobs@EXAMPLE.com", "email:Jobs@example.com"),
        ])
    func canonicalCertificateNames(written: String, canonical: String) {
        #expect(CallersDocument.certificate(named: written) == .certificate(san: canonical))
        #expect(CertificateName.canonical(canonical) == canonical)
    }

    @Test(
        "reading an invalid file fails and names the caller and the member",
        arguments: [
            Wrong(text: "", reason: "not JSON: "), Wrong(text: "{}", reason: "\"callers\" must be an array"),
            Wrong(text: #"{"callers":[{}]}"#, reason: "caller 1: \"name\" must be a name of letters, digits and"),
            Wrong(
                text: caller(#","scope":["billing:read"]"#),
                reason: "caller 1 has the unknown member \"scope\"; known members are accounts, "
            ),
            Wrong(text: caller(#","scopes":[]"#), reason: "caller 1 has \"scopes\" twice"),
            Wrong(
                text: caller("").replacing("billing:read", with: "billing:reed"),
                reason:
                    "caller 1: \"scopes\" must be an array of the scopes billing:read, billing:write, billing:export, "
            ),
            Wrong(text: caller(#","accounts":["a b"]"#), reason: "caller 1: \"accounts\" must be an array of ids"),
            Wrong(text: caller(#","accounts":["me"]"#), reason: "caller 1: \"accounts\" must be an array of ids"),
            Wrong(text: caller(#","accounts":"a""#), reason: "caller 1: \"accounts\" must be an array of ids"),
            Wrong(text: caller(#","rate":"20""#), reason: "caller 1: \"rate\" must be a rate such as"),
            Wrong(text: caller(#","expires":"2030-01-31""#), reason: "caller 1: \"expires\" must be a time such as"),
            Wrong(
                text: caller(#","expires":"2030-02-31T12:00:00Z""#),
                reason: "caller 1: \"expires\" must be a time such as"),
            Wrong(text: caller(#","certificate_san":"DNS:a""#), reason: "caller 1: either \"token_sha256\" or"),
            Wrong(
                text: #"{"callers":[{"name":"a","scopes":[],"certificate_san":"a"}]}"#,
                reason: "caller 1: \"certificate_san\" must be a string that begins with one of DNS: URI: email: IP:"),
            Wrong(
                text: #"{"callers":[{"name":"a","scopes":[]}]}"#,
                reason: "caller 1: \"token_sha256\" or \"certificate_san\" is needed"),
            Wrong(
                text: caller("").replacing(digest.hexadecimal, with: "abc"),
                reason: "caller 1: \"token_sha256\" must be 64 hexadecimal digits"),
        ])
    func wrong(row: Wrong) {
        let problem = #expect(throws: DocumentProblem.self) { try Self.document(row.text) }
        #expect(problem?.description.hasPrefix(row.reason) == true, "\(problem?.description ?? "")")
    }

    @Test("two callers with the same name, token or certificate are an error")
    func twice() throws {
        let text = Self.caller("")
        let second = text.firstRange(of: "{\"name\"").map { String(text[$0.lowerBound...].dropLast(2)) } ?? ""
        for (other, reason) in [
            (second, "caller 2 has the same name as another"),
            (second.replacing("job", with: "job2"), "caller 2 has the same token or certificate as another"),
        ] {
            let problem = #expect(throws: DocumentProblem.self) {
                try Self.document("\(text.dropLast(2)),\(other)]}")
            }
            #expect(problem?.description == reason)
        }
        var document = try Self.document(text)
        let entry = CallersDocument.Entry(
            Caller(name: Name(literal: "other"), scopes: []), credential: .token(Self.digest, previous: nil))
        let problem = #expect(throws: DocumentProblem.self) { try document.set(entry) }
        #expect(problem?.description == "caller 2 has the same token or certificate as another")
        #expect(document.entries.count == 1)
        document.remove(Name(literal: "job"))
        #expect(document.entries.isEmpty)
    }
}
