import Foundation
import Testing

@Suite("Changes of accounts and SIGKILL, with a shared Redis", .timeLimit(.minutes(10)))
struct KilledReplicasTests {
    @Test("Callers repeat changes behind HAProxy while replicas and Redis are killed: each change is made once")
    func kills() async {
        // At other instants in each run. The keys of killed replicas are free, or unknown, after half a minute.
        let outcome = await TestProcess.run(
            TestProcess.root.appending(path: ".venv/bin/python").path(percentEncoded: false),
            [
                "scripts/kill-replicas.py", "--seconds", "8", "--wait-for-sync", "--seed",
                "\(Int.random(in: 1...1_000_000))", "--binary", TestProcess.billingService,
            ])
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    }
}
