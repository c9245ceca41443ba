import Foundation
import Testing

@Suite("Service with Redis", .timeLimit(.minutes(10)))
struct ReplicasWithRedisTests {
    /// Waits until the page of `/readyz?verbose` contains `text`.
    private static func readiness(_ service: RunningService, containing text: String) async throws -> String {
        while true {
            try Task.checkCancellation()
            let page = await TestProcess.run("curl", ["--silent", service.ops + "/readyz?verbose"]).output
            if page.contains(text) { return page }
        }
    }

    @Test(
        "a password from a file, a lost Redis in /readyz without an effect on reads, and changes that are refused meanwhile"
    )
    func lost() async throws {
        try await RedisServer.with(options: ["--requirepass", "hunter-2"]) { redis in
            let password = redis.folder + "/password"
            try write("hunter-2\n", to: password)
            let arguments = ["--state-url", "redis://127.0.0.1:\(redis.port)", "--state-password-file", password]
            try await RunningService.with(arguments) { service in
                _ = try await Self.readiness(service, containing: "redis")
                try await service.process.errors(containing: "connected to Redis")
                let read = await service.curl(service.accountPath, "--fail")
                #expect(read.status == 0)
                func change(_ key: String) async -> String {
                    await service.curl(
                        service.accountPath, "--request", "PATCH", "-H", "idempotency-key: \(key)", "-H",
                        "content-type: application/json", "--data", "{\"city\":\"Ghent\"}", "--write-out",
                        "%{http_code}"
                    ).output
                }
                let made = await change("first")
                #expect(made.hasSuffix("204"), "\(made)")
                await redis.kill()
                try await service.process.errors(containing: "Redis cannot be used")
                let refused = await change("second")
                #expect(refused.hasSuffix("503") && refused.contains("state-unavailable"), "\(refused)")
                let page = try await Self.readiness(service, containing: "Redis cannot be used")
                #expect(!page.contains("hunter-2"))
                let again = await service.curl(service.accountPath, "--fail")
                #expect(again.status == 0)
                try await redis.start()
                try await service.process.errors(containing: "connected to Redis", times: 2)
                let later = await change("second")
                #expect(later.hasSuffix("204"), "\(later)")
                #expect(service.process.count(of: "hunter-2") == 0)
            }
        }
    }

    @Test("writes.require-durable refuses changes with Redis' default persistence and permits them with a synced file")
    func durable() async throws {
        let cases: [(options: [String], status: String)] = [
            ([], "503"), (["--appendonly", "yes", "--appendfsync", "always"], "204"),
        ]
        for (options, status) in cases {
            try await RedisServer.with(options: options) { redis in
                let arguments = ["--state-url", "redis://127.0.0.1:\(redis.port)", "--writes-require-durable", "true"]
                try await RunningService.with(arguments) { service in
                    try await service.process.errors(containing: "connected to Redis")
                    let change = await service.curl(
                        service.accountPath, "--request", "PATCH", "-H", "idempotency-key: key", "-H",
                        "content-type: application/json", "--data", "{\"city\":\"Ghent\"}", "--write-out",
                        "%{http_code}")
                    try #require(change.output.hasSuffix(status), "\(change.output)")
                    #expect(change.output.contains("state-not-durable") == (status == "503"))
                }
            }
        }
    }
}
