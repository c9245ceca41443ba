import Adapters
import Dispatch
import Foundation
import Testing

@Suite("Calls that block on files", .timeLimit(.minutes(5)))
struct FileQueueTests {
    @Test("run one after another, on threads of their own: more of them than processors hold up nobody else")
    func blocked() async throws {
        // As many as would hold every thread of the cooperative pool.
        let queues = (0..<6).map { _ in FileQueue() }
        let gate = DispatchSemaphore(value: 0)
        await withTaskGroup(of: Int?.self) { group in
            for (index, queue) in queues.enumerated() {
                group.addTask {
                    await queue.run {
                        gate.wait()
                        return index
                    }
                }
            }
            // A task of the pool gets its turn meanwhile, and lets them go.
            group.addTask {
                for _ in queues { gate.signal() }
                return nil
            }
            var sum = 0
            for await index in group { sum += index ?? 0 }
            #expect(sum == 15)
        }
    }

    @Test("are no longer waited for when the timer returns, and still run to their end in their order")
    func timer() async {
        let queue = FileQueue()
        let gate = DispatchSemaphore(value: 0)
        let late = await queue.run(within: {}) {
            gate.wait()
            return 1
        }
        #expect(late == nil)
        async let next = queue.run { 2 }
        gate.signal()
        #expect(await next == 2)
    }

    @Test("of a lock that another program holds end with a failure that names the folder, and change nothing")
    func lockHeld() async throws {
        try await withTemporaryFolder { folder in
            let file = PrivateFile(path: folder + "/file")
            try file.update { _ in Array("old".utf8) }
            let holder = open(folder, O_RDONLY)
            defer { close(holder) }
            try #require(flock(holder, LOCK_EX) == 0)
            let problem = #expect(throws: FileProblem.self) {
                try file.update(lockWaitMax: .milliseconds(20)) { _ in Array("new".utf8) }
            }
            #expect(problem?.reason.contains("another program has held the lock of this folder") == true)
            #expect(try file.read() == Array("old".utf8))
        }
    }
}
