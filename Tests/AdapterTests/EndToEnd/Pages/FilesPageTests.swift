import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

/// The examples of `docs/files.md` work.
@Suite("docs/files.md", .timeLimit(.minutes(10)))
struct FilesPageTests {
    private let text: String

    init() throws {
        text = try String(contentsOf: TestProcess.root.appending(path: "docs/files.md"), encoding: .utf8)
    }

    @Test("the commands on the page work in order")
    func lines() async throws {
        let zoom = SandboxZoom(
            configuration: SandboxConfiguration(apps: [TestZoom.app], accounts: 1), time: SystemTime())
        try await withServer(zoom) { server in
            try await withTemporaryFolder { folder in
                for name in ["secret", "new-secret"] {
                    try write(TestZoom.app.clientSecret + "\n", to: "\(folder)/\(name)")
                }
                let lines = text.blocks("sh").joined(separator: "\n")
                    .replacing("http://127.0.0.1:8090", with: "http://127.0.0.1:\(server.port)")
                    .replacing("--account-id ACCOUNT", with: "--account-id \(TestZoom.app.accountID)")
                    .replacing("--client-id CLIENT", with: "--client-id \(TestZoom.app.clientID)")
                let program = URL(filePath: TestProcess.billingService).deletingLastPathComponent().path(
                    percentEncoded: false)
                let outcome = await TestProcess.run(
                    "sh", ["-ec", "cd \(folder)\nPATH=\(program):$PATH\n\(lines)\necho \"$TOKEN\""])
                #expect(outcome.status == 0, "\(outcome.errors)")
                #expect(outcome.output.contains("Get billing information: permitted by billing:master"))
                #expect(outcome.output.contains("client_secret: ********"))
                let callers = try CallersFile(PrivateFile(path: folder + "/callers.json")).read()
                #expect(callers.entries.map(\.caller.name.rawValue) == ["reports"])
                let digest = SHA256Digest(of: try #require(outcome.lines.last))
                #expect(callers.entries.map(\.credential) == [.token(digest, previous: nil)])
                let sealed = Array(try Data(contentsOf: URL(filePath: folder + "/credentials.json")))
                #expect(SealedFormat.isSealed(sealed))
                // The header shown on the page matches the file format.
                let shown = try #require(text.blocks("").last)
                let header = String(decoding: sealed.prefix { $0 != 0x0A }, as: UTF8.self)
                #expect(header.replacing(/[0-9a-f]{16,}/, with: "") == shown.replacing(/[0-9a-f]{16,}/, with: ""))
            }
        }
    }

    @Test("the files on the page are valid, and the page names every member, scope and plan")
    func members() throws {
        let files = text.blocks("json")
        let credentials = try CredentialsDocument(parsing: Array(files[0].utf8))
        #expect(credentials.masters.count == 1)
        let digest = SHA256Digest(of: "token").hexadecimal
        let callers = try CallersDocument(parsing: Array(files[1].replacing("DIGEST", with: digest).utf8))
        #expect(callers.entries.count == 1)
        // The error for an unknown member lists all known members.
        let unknown = [
            #expect(throws: DocumentProblem.self) {
                try CredentialsDocument(parsing: Array(#"{"masters":[{"x":1}]}"#.utf8))
            },
            #expect(throws: DocumentProblem.self) {
                try CallersDocument(parsing: Array(#"{"callers":[{"x":1}]}"#.utf8))
            },
        ]
        for problem in unknown {
            let members = try #require(problem?.description.components(separatedBy: "known members are ").last)
            for member in members.components(separatedBy: ", ") { #expect(text.contains("`\(member)`"), "\(member)") }
        }
        for scope in Caller.Scope.allCases { #expect(text.contains("`\(scope.rawValue)`")) }
        for plan in ZoomPlan.allCases { #expect(text.contains("`\(plan.rawValue)`")) }
    }
}
