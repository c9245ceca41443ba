import Foundation
import Testing

/// The files in `deploy/` are valid for their tools and match the service.
@Suite("Deployment files", .timeLimit(.minutes(10)))
struct DeployTests {
    @Test("the files in deploy/ are accepted by Kubernetes, Compose, systemd, Prometheus and the service")
    func check() async {
        let outcome = await TestProcess.run(
            TestProcess.root.appending(path: ".venv/bin/python").path(percentEncoded: false),
            ["scripts/check-deploy.py", "--binary", TestProcess.billingService])
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    }
}
