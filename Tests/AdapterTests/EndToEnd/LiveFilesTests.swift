import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Synchronization
import Testing

/// Changes of the credentials and callers files while the service handles requests.
@Suite("File changes at run time", .timeLimit(.minutes(10)))
struct LiveFilesTests {
    private static let everything = Caller.Scope.allCases.map(\.rawValue).joined(separator: ",")

    /// Continuous requests and their results.
    private final class Load: Sendable {
        struct State {
            var isOver = false
            var count = 0
            var failures: [String] = []
        }

        let state = Mutex(State())

        var count: Int { state.withLock { $0.count } }

        /// The responses with a status other than 200.
        var failures: [String] { state.withLock { $0.failures } }

        func send(_ service: FiledService, _ target: String, token: String) async {
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

    /// Sends requests continuously while `test` runs.
    private static func loading(
        _ service: FiledService, token: String, _ test: () async throws -> Void
    ) async throws -> Load {
        let load = Load()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<4 {
                let target = service.account(of: service.main, number)
                group.addTask { await load.send(service, target, token: token) }
            }
            let result: Result<Void, any Error>
            do {
                result = .success(try await test())
            } catch {
                result = .failure(error)
            }
            load.state.withLock { $0.isOver = true }
            try await group.waitForAll()
            try result.get()
        }
        return load
    }

    private static func until(_ condition: () -> Bool) async throws {
        while !condition() {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    @Test("a new client secret is used without a failed request, after a swapped link and after a command")
    func secretRotated() async throws {
        // The symbolic links of a Kubernetes secret.
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
        // So that rate limits do not delay the requests.
        let arguments = ["--zoom-rate-share", "1", "--zoom-wait", "5m"]
        try await FiledService.with(arguments, prepare: prepare) { service in
            service.main.replace(FiledService.app("secret-1"))
            let token = try await service.token(of: "job", "--scopes", Self.everything)
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            let load = try await Self.loading(service, token: token) {
                // Swaps a link: a token is fetched with the new secret while the old token is in use.
                service.main.replace(FiledService.app("secret-2"))
                try #require(rename(service.folder + "/..next", service.folder + "/..data") == 0)
                try await Self.until { service.main.requestCounts.tokens >= 2 }

                // The command follows the links.
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
            #expect(load.failures.isEmpty, "of \(load.count)")
        }
    }

    @Test(
        "a refused token makes the service read the file again, without a file system event and without a failed request"
    )
    func secretWithoutEvent() async throws {
        // The folder above the file's folder is replaced, which the watch does not notice.
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
            let load = try await Self.loading(service, token: token) {
                try #require(rename(service.folder + "/deep/top", service.folder + "/deep/gone") == 0)
                try #require(rename(service.folder + "/deep/next", service.folder + "/deep/top") == 0)
                service.main.replace(FiledService.app("secret-2"))
                service.main.revokeTokens()
                let before = service.main.requestCounts.billing
                try await Self.until { service.main.requestCounts.billing > before + 20 }
            }
            #expect(load.failures.isEmpty, "of \(load.count)")
        }
    }

    @Test(
        "an invalid file is reported in log and probes, the previous version stays in use, and a valid file is loaded")
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
                try await waitUntilReady(says: "the file cannot be used: \(path): not JSON")
                #expect(try await service.send(service.account(of: service.main), token: token).status == 200)
                try write(good, to: path)
                try await waitUntilReady(says: #""name":"\#(check)","status":"good""#)
                #expect(await !ready().contains("cannot be used"))
            }
            #expect(service.process.count(of: "marked-secret") == 0)
        }
    }

    @Test("revoking a token ends the requests and streams of its caller only")
    func revoked() async throws {
        try await FiledService.with(accounts: 100) { service in
            func add(_ name: String) async throws -> String {
                try await service.token(of: name, "--scopes", Self.everything, "--master", "main")
            }
            let (first, second) = (try await add("first"), try await add("second"))
            for token in [first, second] {
                try await service.wait(for: 200, service.account(of: service.main), token: token)
            }
            let (revoked, other) = (service.stream(token: first), service.stream(token: second))
            for stream in [revoked, other] { _ = try await stream.output(containing: "\"contact\"") }
            let load = try await Self.loading(service, token: second) {
                // After a rotation both tokens are valid, until the previous one is revoked.
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
            #expect(load.failures.isEmpty, "of \(load.count)")
            let whole = await other.outcome()
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

    @Test("a stream ends when its caller expires")
    func expired() async throws {
        // 200 accounts at 1.6 per second take longer than the caller is valid.
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

    @Test("a master account can be added and removed without affecting requests of another")
    func masters() async throws {
        try await FiledService.with { service in
            let token = try await service.token(of: "job", "--scopes", Self.everything, "--master", "main")
            let other = try await service.token(of: "other", "--scopes", Self.everything, "--master", "second")
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            try await service.wait(for: 200, service.account(of: service.second), token: other)
            let load = try await Self.loading(service, token: token) {
                let file = CredentialsFile(PrivateFile(path: service.credentialsPath))
                let second = try #require(try file.read()[Name(literal: "second")])
                try file.update { document throws(FileProblem) in document.masters.removeLast() }
                try await service.wait(for: 502, service.account(of: service.second), token: other)
                try file.update { document throws(FileProblem) in document.masters.append(second) }
                try await service.wait(for: 200, service.account(of: service.second), token: other)
            }
            #expect(load.failures.isEmpty, "of \(load.count)")
        }
    }
}
