import Foundation
import Testing

/// Three replicas behind each load balancer of `deploy/`, restarted, rotated and killed under load. A run of
/// `docs/balancers.md` takes a minute; here it takes some seconds.
@Suite("Load balancers", .timeLimit(.minutes(10)))
struct BalancersTests {
    @Test(
        "no request is lost during restarts, and an interrupted stream is resumed to its end",
        arguments: [
            // The replicas share Zoom's rate, so the stream takes longer for each account.
            ("haproxy", ["--redis", "--seconds", "12", "--accounts", "1000"]), ("envoy", ["--seconds", "12"]),
            // nginx has no readiness check, so the shutdown delay would have no effect.
            ("nginx", ["--seconds", "9", "--shutdown-delay", "0"]),
            ("haproxy-tcp", ["--seconds", "9", "--connection-age", "2"]),
        ])
    func scenario(balancer: String, options: [String]) async throws {
        let page = try String(contentsOf: TestProcess.root.appending(path: "docs/balancers.md"), encoding: .utf8)
        let line = try #require(page.blocks("sh").first?.split(separator: "\n").first)
        #expect(line.hasPrefix("scripts/balancers.py --balancer haproxy --seconds 60 --rate 200"))
        // Enough accounts that their stream outlasts the restarts, even on a busy machine.
        let outcome = await TestProcess.run(
            TestProcess.root.appending(path: ".venv/bin/python").path(percentEncoded: false),
            [
                "scripts/balancers.py", "--balancer", balancer, "--rate", "100", "--accounts", "2000", "--binary",
                TestProcess.billingService,
            ] + options)
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    }
}
