import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("Credentials file")
struct CredentialsFileTests {
    private static let text =
        #"{"masters": [{"name": "main", "account_id": "A1", "client_id": "c", "client_secret": "hunter2"}]}"#

    struct Wrong: CustomTestStringConvertible {
        let text: String
        let reason: String
        var testDescription: String { text }
    }

    private static func master(_ members: String) -> String {
        #"{"masters":[{"name":"main","account_id":"A1","client_id":"c","client_secret":"hunter2""# + members + "}]}"
    }

    @Test("every member of a master account survives writing and reading")
    func whole() throws {
        let document = try CredentialsDocument(
            parsing: Array(
                Self.master(
                    #","oauth_host":"zoom.example:8443","api_host":"[::1]:1","plan":"business","rate_share":0.25"#
                ).utf8))
        let master = try #require(document[Name(literal: "main")])
        #expect(master.credentials.accountID == AccountID(literal: "A1") && master.credentials.clientID == "c")
        #expect(master.credentials.clientSecret == Secret("hunter2"))
        #expect(master.oauthHost == "zoom.example:8443" && master.apiHost == "[::1]:1")
        #expect(master.plan == "business" && master.rateShare == 0.25)
        #expect(try CredentialsDocument(parsing: document.text) == document)
        #expect(try CredentialsDocument(parsing: Array(Self.text.utf8)).text.contains(UInt8(ascii: "\n")))
    }

    @Test(
        "reading an invalid file fails, names the member and reveals no secret",
        arguments: [
            Wrong(text: "", reason: "not JSON: "), Wrong(text: "hunter2", reason: "not JSON: "),
            Wrong(text: "[]", reason: "not a JSON object"),
            Wrong(text: "{}", reason: "\"masters\" must be an array"),
            Wrong(
                text: #"{"masters":[],"extra":1}"#,
                reason: "the file has the unknown member \"extra\"; known members are masters"),
            Wrong(text: #"{"masters":[1]}"#, reason: "master 1 must be an object"),
            Wrong(text: #"{"masters":[{}]}"#, reason: "master 1: \"name\" must be a name of letters, digits and"),
            Wrong(
                text: master(#","hunter2 is here":1"#), reason: "master 1 has an unknown member; known members are "),
            Wrong(text: master(#","name":"other""#), reason: "master 1 has \"name\" twice"),
            Wrong(text: master(#","rate_share":1.5"#), reason: "master 1: \"rate_share\" must be a number above 0"),
            Wrong(text: master(#","rate_share":"0.5""#), reason: "master 1: \"rate_share\" must be a number above 0"),
            Wrong(text: master(#","oauth_host":"a/b""#), reason: "master 1: \"oauth_host\" must be a host"),
            Wrong(text: master(#","oauth_host":"u@h""#), reason: "master 1: \"oauth_host\" must be a host"),
            Wrong(
                text: master("").replacing("\"c\"", with: "\"a:b\""),
                reason:
                    "master 1: \"client_id\" must be a string of 1 to 256 visible characters of ASCII without a colon"
            ),
            Wrong(
                text: master("").replacing("hunter2", with: "hunter2 hunter2"),
                reason: "master 1: \"client_secret\" must be a string of 1 to 256 visible characters of ASCII"),
            Wrong(
                text: master("").replacing("\"hunter2\"", with: "[\"hunter2\"]"),
                reason: "master 1: \"client_secret\" must be a string"),
            Wrong(text: master("").replacing("A1", with: "A/1"), reason: "master 1: \"account_id\" must be the id"),
            Wrong(text: master("").replacing("}]", with: "},{}]"), reason: "master 2: \"name\" must be"),
        ])
    func wrong(row: Wrong) {
        let problem = #expect(throws: DocumentProblem.self) { try CredentialsDocument(parsing: Array(row.text.utf8)) }
        #expect(problem?.description.hasPrefix(row.reason) == true, "\(problem?.description ?? "")")
        #expect(problem?.description.contains("hunter2") == false)
    }

    @Test("two master accounts with the same name are an error")
    func twice() throws {
        let one = #"{"name":"main","account_id":"A1","client_id":"c","client_secret":"s"}"#
        let problem = #expect(throws: DocumentProblem.self) {
            try CredentialsDocument(parsing: Array("{\"masters\":[\(one),\(one)]}".utf8))
        }
        #expect(problem?.description == "master 2 has the same name as another")
    }

    @Test("a new file is encrypted if there is a key; updates keep its form; encrypt() encrypts it again")
    func sealing() async throws {
        try await withTemporaryFolder { folder in
            func bytes() throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: folder + "/file"))) }
            let keyFile = PrivateFile(path: folder + "/keys")
            let plain = CredentialsFile(PrivateFile(path: folder + "/file"))
            let sealed = CredentialsFile(PrivateFile(path: folder + "/file"), keys: .file(keyFile))
            let first = try SealingKeys.add(to: keyFile)
            try sealed.update { document throws(FileProblem) in document.masters = [.init(.test())] }
            #expect(try SealedFormat.keyID(of: try bytes()) == first.id)
            #expect(throws: FileProblem.self) { try plain.read() }
            #expect(throws: FileProblem.self) { try plain.update { _ in } }
            #expect(throws: FileProblem.self) { try plain.encrypt() }

            // A second key is added before the first: files of both keys stay readable, and the next write uses the new key.
            let second = try SealingKeys.add(to: keyFile)
            #expect(try sealed.read().masters.count == 1)
            let id = try sealed.encrypt()
            let keyID = try SealedFormat.keyID(of: try bytes())
            #expect(id == second.id && keyID == second.id)
            try write(first.hexadecimal + "\n", to: keyFile.path)
            let problem = #expect(throws: FileProblem.self) { try sealed.read() }
            #expect(problem?.reason.hasPrefix("encrypted with the key \(second.id)") == true)
            try write("# both\n\n \(first.hexadecimal)\r\n\(second.hexadecimal)", to: keyFile.path)
            let document = try sealed.read()
            #expect(document.masters == [.init(.test())])
            let given = CredentialsFile(PrivateFile(path: folder + "/file"), keys: .given(second))
            #expect(try given.read() == document)

            // A plain file stays plain until encrypt() is called.
            try write(String(decoding: document.text, as: UTF8.self), to: folder + "/file")
            try sealed.update { document throws(FileProblem) in document.masters = [] }
            #expect(!SealedFormat.isSealed(try bytes()))
            _ = try sealed.encrypt()
            #expect(SealedFormat.isSealed(try bytes()))
        }
    }

    @Test(
        "a key file without keys, or with a line that is no key, is an error",
        arguments: [("", "contains no key"), ("x", "line 1 is not a key of 64")])
    func keyFile(text: String, reason: String) async throws {
        try await withTemporaryFolder { folder in
            try write(text, to: folder + "/keys")
            let keys = SealingKeys.file(PrivateFile(path: folder + "/keys"))
            let problem = #expect(throws: FileProblem.self) { try keys.read() }
            #expect(problem?.reason.hasPrefix(reason) == true)
            #expect(throws: FileProblem.self) { try SealingKeys.add(to: PrivateFile(path: folder + "/keys")) }
        }
    }
}
