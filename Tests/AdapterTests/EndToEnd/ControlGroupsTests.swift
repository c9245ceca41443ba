import BillingService
import Foundation
import Testing

@Suite("Control group limits")
struct ControlGroupsTests {
    private static func groups(_ files: [String: String], membership: String = "0::/\n") async throws -> ControlGroups {
        var result: ControlGroups?
        try await withTemporaryFolder { folder in
            for (path, text) in files {
                let url = URL(filePath: folder + "/root/" + path)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: url)
            }
            try Data(membership.utf8).write(to: URL(filePath: folder + "/membership"))
            result = ControlGroups(root: folder + "/root", membership: folder + "/membership")
        }
        return try #require(result)
    }

    @Test("the limits of a container are read")
    func container() async throws {
        let groups = try await Self.groups(["memory.max": "536870912\n", "cpu.max": "150000 100000\n"])
        #expect(groups.memoryBytes == 536_870_912 && groups.processors == 2)
    }

    @Test("the smallest limit of all parent groups applies, as in a systemd unit")
    func nested() async throws {
        let membership = "1:name=x:/other\n0::/system.slice/billing.service\n"
        let groups = try await Self.groups(
            [
                "system.slice/memory.max": "1000\n", "system.slice/cpu.max": "max 100000\n",
                "system.slice/billing.service/memory.max": "2000\n",
                "system.slice/billing.service/cpu.max": "50000 100000\n",
                "other/memory.max": "1\n",
            ], membership: membership)
        #expect(groups.memoryBytes == 1000 && groups.processors == 1)
    }

    @Test("the memory limit of cgroup v1 is read, and missing or invalid limits are ignored")
    func others() async throws {
        let first = try await Self.groups(["memory/memory.limit_in_bytes": "4096\n"], membership: "4:memory:/\n")
        #expect(first.memoryBytes == 4096 && first.processors == nil)
        for text in ["max\n", "", "nonsense", "0", "-5\n"] {
            let none = try await Self.groups(["memory.max": text, "cpu.max": text])
            #expect(none.memoryBytes == nil && none.processors == nil)
        }
    }
}
