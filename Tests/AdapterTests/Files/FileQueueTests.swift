import Adapters
import Dispatch
import Foundation
import Testing

@Suite("File queue", .timeLimit(.minutes(10)))
struct FileQueueTests {
    @Test("blocked calls do not occupy the threads of the cooperative pool, and run one after another")
    func blocked() async throws {
        // Enough calls to block every thread of the cooperative pool.
        let queues = (0..<6).map { _ in FileQueue() }
        let release = DispatchSemaphore(value: 0)
        await withTaskGroup(of: Int?.self) { group in
            for (index, queue) in queues.enumerated() {
                group.addTask {
                    await queue.run {
                        release.wait()
                        return index
                    }
                }
            }
            // A task of the cooperative pool still runs, and releases the calls.
            group.addTask {
                for _ in queues { release.signal() }
                return nil
            }
            var sum = 0
            for await index in group { sum += index ?? 0 }
            #expect(sum == 15)
        }
    }

    @Test("the timer ends the wait; the calls still run to their end and in order")
    func timer() async {
        let queue = FileQueue()
        let release = DispatchSemaphore(value: 0)
        let late = await queue.run(within: {}) {
            release.wait()
            return 1
        }
        #expect(late == nil)
        async let next = queue.run { 2 }
        release.signal()
        #expect(await next == 2)
    }

    @Test("an update of a private file fails and changes nothing if another program holds the folder's lock too long")
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
            #expect(problem?.reason.contains("another program has held its lock") == true)
            #expect(try file.read() == Array("old".utf8))
        }
    }
}
