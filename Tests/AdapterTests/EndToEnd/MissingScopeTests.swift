import Adapters
import Foundation
import NIOCore
import Testing

/// A Zoom app without all scopes that the service needs.
@Suite("Missing scope", .timeLimit(.minutes(10)))
struct MissingScopeTests {
    @Test("a missing scope is reported at start, in the probes and in responses")
    func missing() async throws {
        try await FiledService.with(["--log-level", "info"], scopes: ["account:master"]) { service in
            let log = try await service.process.errors(containing: "Zoom's app lacks a scope", times: 2)
            #expect(log.contains(#""any_of":"billing:master"#))
            let probes = await TestProcess.run("curl", ["--silent", service.ops + "/readyz?verbose"])
            #expect(probes.output.contains("Get billing information needs one of billing:master"))
            let token = try await service.token(
                of: "app", "--scopes", "billing:read,billing:export", "--master", "main")
            try await service.wait(for: 502, service.account(of: service.main), token: token)
            let answer = try await service.send(service.account(of: service.main), token: token)
            #expect(answer.json?["code"] == .number("4711"))
            #expect(answer.json?["message"]?.string?.contains("billing:master") == true)
            // The stream ends with an error line that names the cause.
            let stream = await TestProcess.run(
                "curl",
                [
                    "--silent", "--http1.1", "-H", "authorization: Bearer " + token,
                    service.base + "/v2/billing/stream",
                ])
            #expect(stream.output.contains(#""type":"error""#) && stream.output.contains("4711"), "\(stream)")
            #expect(stream.status != 0)
        }
    }
}
