import Adapters
import Foundation
import NIOCore
import Testing

/// Zoom's app has not all the scopes that the service needs.
@Suite("A scope that is missing", .timeLimit(.minutes(10)))
struct MissingScopeTests {
    @Test("is said at start, in the probes and in the answers, and is taken once it is there")
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
            // Nothing else fares better: the stream ends, and says why.
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
