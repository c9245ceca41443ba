import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Synchronization
import Testing

/// What operators do to the files while the service runs and is asked.
@Suite("Files that change while the service runs", .timeLimit(.minutes(10)))
struct LiveFilesTests {
    private static let everything = Caller.Scope.allCases.map(\.rawValue).joined(separator: ",")

    /// What became of the requests of those who ask without a pause.
    private final class Asked: Sendable {
        struct State {
            var isOver = false
            var count = 0
            var failures: [String] = []
        }

        let state = Mutex(State())

        var count: Int { state.withLock { $0.count } }

        /// The answers that were not 200.
        var failures: [String] { state.withLock { $0.failures } }

        func ask(_ service: FiledService, _ target: String, token: String) async {
            while !state.withLock({ $0.isOver }) {
                var failure: String?
                do {
                    let response = try await service.send(target, token: token)
                    if response.status != 200 { failure = String(buffer: response.body) }
                } catch {
                    failure = "\(error)"
                }
                state.withLock { state in
                    state.count += 1
                    if let failure { state.failures.append(failure) }
                }
            }
        }
    }

    /// Asks without a pause while `test` runs.
    private static func asking(
        _ service: FiledService, token: String, _ test: () async throws -> Void
    ) async throws -> Asked {
        let asked = Asked()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<4 {
                let target = service.account(of: service.main, number)
                group.addTask { await asked.ask(service, target, token: token) }
            }
            let result: Result<Void, any Error>
            do {
                result = .success(try await test())
            } catch {
                result = .failure(error)
            }
            asked.state.withLock { $0.isOver = true }
            try await group.waitForAll()
            try result.get()
        }
        return asked
    }

    private static func until(_ condition: () -> Bool) async throws {
        while !condition() {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    @Test("take a new client secret without a failed request, by a link swapped and by command")
    func secretRotated() async throws {
        // As Kubernetes mounts a secret: a link to a link to a folder.
        func document(_ secret: String) -> String {
            String(decoding: CredentialsDocument(masters: [.init(.test(secret: secret))]).text, as: UTF8.self)
        }
        func prepare(_ folder: String) throws {
            for version in ["1", "2"] {
                try FileManager.default.createDirectory(
                    atPath: "\(folder)/..\(version)", withIntermediateDirectories: false)
                try write(document("secret-\(version)"), to: "\(folder)/..\(version)/credentials.json")
            }
            try FileManager.default.removeItem(atPath: folder + "/credentials.json")
            for (link, target) in [
                ("..data", "..1"), ("credentials.json", "..data/credentials.json"), ("..next", "..2"),
            ] {
                try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(link)", withDestinationPath: target)
            }
        }
        // No pace of Zoom's holds the asking up.
        let arguments = ["--zoom-rate-share", "1", "--zoom-wait", "5m"]
        try await FiledService.with(arguments, prepare: prepare) { service in
            service.main.replace(FiledService.app("secret-1"))
            let token = try await service.token(of: "job", "--scopes", Self.everything)
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            let asked = try await Self.asking(service, token: token) {
                // A link is swapped: a token with the new secret is fetched while the old one is in use.
                service.main.replace(FiledService.app("secret-2"))
                try #require(rename(service.folder + "/..next", service.folder + "/..data") == 0)
                try await Self.until { service.main.requestCounts.tokens >= 2 }

                // By command, which follows the links.
                service.main.replace(FiledService.app("secret-3"))
                let rotated = await TestProcess.run(
                    TestProcess.billingService,
                    ["credentials", "rotate", "--name", "main", "--credentials-file", service.credentialsPath],
                    input: "secret-3\n")
                #expect(rotated.status == 0, "\(rotated.errors)")
                try await Self.until { service.main.requestCounts.tokens >= 3 }
                let before = service.main.requestCounts.billing
                try await Self.until { service.main.requestCounts.billing > before + 20 }
            }
            #expect(asked.failures.isEmpty, "of \(asked.count)")
        }
    }

    @Test("are read again by whoever is refused a token, though the system told of no change: no request fails")
    func secretUntold() async throws {
        // The folder above that of the file is another one then, which is not watched.
        func prepare(_ folder: String) throws {
            try FileManager.default.removeItem(atPath: folder + "/credentials.json")
            for (top, secret) in [("top", "secret-1"), ("next", "secret-2")] {
                try FileManager.default.createDirectory(
                    atPath: "\(folder)/deep/\(top)/inner", withIntermediateDirectories: true)
                let document = CredentialsDocument(masters: [.init(.test(secret: secret))])
                try write(String(decoding: document.text, as: UTF8.self), to: "\(folder)/deep/\(top)/inner/file")
            }
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/credentials.json", withDestinationPath: "deep/top/inner/file")
        }
        try await FiledService.with(["--zoom-rate-share", "1", "--zoom-wait", "5m"], prepare: prepare) { service in
            service.main.replace(FiledService.app("secret-1"))
            let token = try await service.token(of: "job", "--scopes", Self.everything)
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            let asked = try await Self.asking(service, token: token) {
                try #require(rename(service.folder + "/deep/top", service.folder + "/deep/gone") == 0)
                try #require(rename(service.folder + "/deep/next", service.folder + "/deep/top") == 0)
                service.main.replace(FiledService.app("secret-2"))
                service.main.revokeTokens()
                let before = service.main.requestCounts.billing
                try await Self.until { service.main.requestCounts.billing > before + 20 }
            }
            #expect(asked.failures.isEmpty, "of \(asked.count)")
        }
    }

    @Test("that are broken leave the last good ones in use, say so to the log and to probes, and are taken when mended")
    func broken() async throws {
        try await FiledService.with { service in
            let token = try await service.token(of: "job", "--scopes", Self.everything, "--master", "main")
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            func ready() async -> String {
                await TestProcess.run("curl", ["--silent", service.ops + "/readyz?verbose"]).output
            }
            func waitUntilReady(says text: String) async throws {
                while await !ready().contains(text) { try Task.checkCancellation() }
            }
            for (path, check) in [(service.callersPath, "callers"), (service.credentialsPath, "credentials")] {
                let good = try String(contentsOfFile: path, encoding: .utf8)
                try write("{\"marked-secret", to: path)
                try await service.process.errors(
                    containing: "cannot reload the \(check): the previous version stays in use")
                try await waitUntilReady(says: "the file as it is now cannot be used: \(path): not JSON")
                #expect(try await service.send(service.account(of: service.main), token: token).status == 200)
                try write(good, to: path)
                try await waitUntilReady(says: #""name":"\#(check)","status":"good""#)
                #expect(await !ready().contains("cannot be used"))
            }
            #expect(service.process.count(of: "marked-secret") == 0)
        }
    }

    @Test("revoke a caller's token within its requests and streams, and touch nobody else's")
    func revoked() async throws {
        try await FiledService.with(accounts: 100) { service in
            func add(_ name: String) async throws -> String {
                try await service.token(of: name, "--scopes", Self.everything, "--master", "main")
            }
            let (first, second) = (try await add("first"), try await add("second"))
            for token in [first, second] {
                try await service.wait(for: 200, service.account(of: service.main), token: token)
            }
            let (revoked, kept) = (service.stream(token: first), service.stream(token: second))
            for stream in [revoked, kept] { _ = try await stream.output(containing: "\"contact\"") }
            let asked = try await Self.asking(service, token: second) {
                // Its second token is as good, until the first one goes, and then alone.
                let next = try #require(try await service.callers("rotate", "--name", "first").lines.last)
                try await service.wait(for: 200, service.account(of: service.main), token: next)
                #expect(try await service.send(service.account(of: service.main), token: first).status == 200)
                try await service.callers("revoke", "--name", "first", "--previous")
                let cut = await revoked.outcome()
                #expect(cut.status != 0 && !cut.output.contains("\"end\""))
                #expect(try await service.send(service.account(of: service.main), token: first).status == 401)
                #expect(try await service.send(service.account(of: service.main), token: next).status == 200)
                try await service.callers("revoke", "--name", "first")
                try await service.wait(for: 401, service.account(of: service.main), token: next)
            }
            #expect(asked.failures.isEmpty, "of \(asked.count)")
            let whole = await kept.outcome()
            #expect(whole.status == 0 && whole.lines.last?.contains(#""type":"end","complete":true"#) == true)
            let errors = try await service.process.errors(containing: #""caller":"second""#)
            let audit = errors.split(separator: "\n").filter { $0.contains("billing-service.audit") }
            #expect(
                audit.contains { $0.contains(#""caller":"first""#) && $0.contains(#""outcome":"revoked""#) }, "\(audit)"
            )
            #expect(
                audit.contains { $0.contains(#""caller":"second""#) && $0.contains(#""outcome":"complete""#) },
                "\(audit)")
        }
    }

    @Test("end a stream whose caller's time is over in the middle of it")
    func expired() async throws {
        // 200 accounts at 1.6 a second outlast it.
        try await FiledService.with(["--zoom-plan", "free"], accounts: 200) { service in
            let later = "2999-01-01T00:00:00Z"
            let token = try await service.token(
                of: "job", "--scopes", Self.everything, "--master", "main", "--expires", later)
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            let reader = service.stream(token: token)
            _ = try await reader.output(containing: "\"begin\"")
            let soon = Timestamp(secondsSinceEpoch: SystemTime().timestamp.secondsSinceEpoch + 2).rfc3339
            let callers = try String(contentsOfFile: service.callersPath, encoding: .utf8)
            try #require(callers.contains(later))
            try write(callers.replacing(later, with: soon), to: service.callersPath)
            let cut = await reader.outcome()
            #expect(cut.status != 0 && !cut.output.contains("\"end\""))
            #expect(try await service.send(service.account(of: service.main), token: token).status == 401)
        }
    }

    @Test("add a master account that is asked at once, and remove one without touching another's requests")
    func masters() async throws {
        try await FiledService.with { service in
            let token = try await service.token(of: "job", "--scopes", Self.everything, "--master", "main")
            let other = try await service.token(of: "other", "--scopes", Self.everything, "--master", "second")
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            try await service.wait(for: 200, service.account(of: service.second), token: other)
            let asked = try await Self.asking(service, token: token) {
                let file = CredentialsFile(PrivateFile(path: service.credentialsPath))
                let second = try #require(try file.read()[Name(literal: "second")])
                try file.update { document throws(FileProblem) in document.masters.removeLast() }
                try await service.wait(for: 502, service.account(of: service.second), token: other)
                try file.update { document throws(FileProblem) in document.masters.append(second) }
                try await service.wait(for: 200, service.account(of: service.second), token: other)
            }
            #expect(asked.failures.isEmpty, "of \(asked.count)")
        }
    }
}
