import Foundation
import Testing

@Suite("Service with a bad network to Redis", .timeLimit(.minutes(10)))
struct RedisNetworkTests {
    private static func check(_ fault: String, prefix: [String] = []) async {
        let python = TestProcess.root.appending(path: ".venv/bin/python").path(percentEncoded: false)
        let script = ["scripts/redis-network.py", fault, "--seconds", "2", "--binary", TestProcess.billingService]
        let command = prefix + [python] + script
        let outcome = await TestProcess.run(command[0], Array(command.dropFirst()))
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    }

    @Test("while Redis answers half a second late, no lookup fails, and cached responses do not wait for it")
    func slow() async {
        await Self.check("slow")
    }

    @Test(
        "while the network to Redis drops all packets, no lookup fails, and cached responses do not wait for it",
        .enabled(if: geteuid() == 0, "a network namespace needs root"))
    func dropped() async {
        await Self.check("dropped", prefix: ["unshare", "--net"])
    }
}
