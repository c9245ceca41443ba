import Foundation
import Testing

/// What is in `deploy/` is taken by the tools it is for, and fits the service.
@Suite("What is deployed", .timeLimit(.minutes(10)))
struct DeployTests {
    @Test("is taken by Kubernetes, Compose, systemd, Prometheus and the service")
    func check() async {
        let outcome = await TestProcess.run(
            TestProcess.root.appending(path: ".venv/bin/python").path(percentEncoded: false),
            ["scripts/check-deploy.py", "--binary", TestProcess.billingService])
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    }
}
