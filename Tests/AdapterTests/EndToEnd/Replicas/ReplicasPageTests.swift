import Foundation
import Testing

@Suite("The page about replicas", .timeLimit(.minutes(10)))
struct ReplicasPageTests {
    @Test("the commands in docs/replicas.md start a Redis and a service that uses it")
    func commands() async throws {
        let page = try String(contentsOf: TestProcess.root.appending(path: "docs/replicas.md"), encoding: .utf8)
        let lines = try #require(page.blocks("sh").first).split(separator: "\n").map { $0.split(separator: " ") }
        try #require(lines.count == 2 && lines[0].first == "redis-server" && lines[0].last == "&")
        try #require(lines[1].prefix(3) == ["billing-service", "serve", "--sandbox"])
        // Without the port of the page: the test server chooses its port and folder.
        let options = lines[0].dropFirst(3).dropLast().map(String.init)
        try await RedisServer.with(options: options) { redis in
            let flags = lines[1].dropFirst(3).map {
                String($0).replacing("127.0.0.1:6379", with: "127.0.0.1:\(redis.port)")
            }
            try await RunningService.with(flags) { service in
                #expect(await service.curl(service.accountPath).status == 0)
                let checks = await TestProcess.run("curl", ["--silent", service.ops + "/readyz?verbose"]).output
                #expect(checks.contains(#""name":"redis","status":"good""#), "\(checks)")
                let keys = await redis.run("--scan")
                #expect(keys.contains("billing:token:"), "\(keys)")
            }
        }
    }
}
