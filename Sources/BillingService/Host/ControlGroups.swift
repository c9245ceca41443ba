import Adapters

/// The effective resource limits of this process: the smallest limits of its control group and all parent groups.
package struct ControlGroups: Sendable {
    /// Bytes; nil for no limit.
    package let memoryBytes: Int?

    /// Processors, rounded up; nil for no limit.
    package let processors: Int?

    /// - Parameters:
    ///   - root: The mount point of the control group file system.
    ///   - membership: The file that names the group of the process (cgroups(7), `/proc/[pid]/cgroup`).
    package init(root: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup") {
        // In a container, the root is the container's own group, and the path may not exist below it.
        var folders = [root]
        let own = Self.text(at: membership)?.split(separator: "\n").first { $0.hasPrefix("0::/") }?.dropFirst(4) ?? ""
        for name in own.split(separator: "/") where name != ".." {
            folders.append("\(folders[folders.count - 1])/\(name)")
        }
        // Version 2: memory.max; version 1: memory.limit_in_bytes. "max" means no limit.
        let memory = folders.map { "\($0)/memory.max" } + ["\(root)/memory/memory.limit_in_bytes"]
        memoryBytes = memory.compactMap { Self.text(at: $0) }.compactMap { Int($0) }.filter { $0 > 0 }.min()
        // Version 2, cpu.max: CPU time per period, both in microseconds.
        processors = folders.compactMap { Self.text(at: "\($0)/cpu.max") }.compactMap { text -> Int? in
            let parts = text.split(separator: " ").compactMap { Int($0) }
            guard parts.count == 2, parts[0] > 0, parts[1] > 0 else { return nil }
            return max(1, (parts[0] + parts[1] - 1) / parts[1])
        }.min()
    }

    private static func text(at path: String) -> String? {
        guard let bytes = try? InputFile.read(path, bytesMax: 65_536) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}
