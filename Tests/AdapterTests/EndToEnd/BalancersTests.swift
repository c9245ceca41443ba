import Foundation
import Testing

/// Three replicas behind balancers as they are in `deploy/`, restarted, rotated and killed under load. What
/// `docs/balancers.md` measured for a minute is tried for some seconds here.
@Suite("Behind a balancer", .timeLimit(.minutes(10)))
struct BalancersTests {
    @Test(
        "no request is lost, and a stream that broke off is resumed to the same end",
        arguments: [
            ("haproxy", ["--seconds", "12"]), ("envoy", ["--seconds", "12"]),
            // It does not ask whether a replica is ready, and so need not be waited for.
            ("nginx", ["--seconds", "9", "--shutdown-delay", "0"]),
            ("haproxy-tcp", ["--seconds", "9", "--connection-age", "2"]),
        ])
    func scenario(balancer: String, options: [String]) async throws {
        let page = try String(contentsOf: TestProcess.root.appending(path: "docs/balancers.md"), encoding: .utf8)
        let line = try #require(page.blocks("sh").first?.split(separator: "\n").first)
        #expect(line.hasPrefix("scripts/balancers.py --balancer haproxy --seconds 60 --rate 200"))
        // So many that their stream outlasts the restarts on a busy machine: a replica that stops breaks it off.
        let outcome = await TestProcess.run(
            TestProcess.root.appending(path: ".venv/bin/python").path(percentEncoded: false),
            [
                "scripts/balancers.py", "--balancer", balancer, "--rate", "100", "--accounts", "2000", "--binary",
                TestProcess.billingService,
            ] + options)
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    }
}
