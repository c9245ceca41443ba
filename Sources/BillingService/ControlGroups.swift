import FoundationEssentials

/// The limits of the control groups that this process is in: of its own and of all above it, the smallest counts.
package struct ControlGroups: Sendable {
    /// Bytes; `nil` for no limit.
    package let memoryBytes: Int?

    /// Whole processors, at least 1; `nil` for no limit.
    package let processors: Int?

    /// - Parameters:
    ///   - root: Where the file systems of control groups are mounted.
    ///   - membership: cgroups(7), `/proc/[pid]/cgroup`.
    package init(root: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup") {
        // Within a container the root is its own group, whatever its path says.
        var folders = [root]
        let own = Self.text(at: membership)?.split(separator: "\n").first { $0.hasPrefix("0::/") }?.dropFirst(4) ?? ""
        for name in own.split(separator: "/") where name != ".." {
            folders.append("\(folders[folders.count - 1])/\(name)")
        }
        // Control Group v2, memory.max; cgroup-v1/memory, memory.limit_in_bytes. "max" is no number, and means none.
        let memory = folders.map { "\($0)/memory.max" } + ["\(root)/memory/memory.limit_in_bytes"]
        memoryBytes = memory.compactMap { Self.text(at: $0) }.compactMap { Int($0) }.filter { $0 > 0 }.min()
        // Control Group v2, cpu.max: so many microseconds in so many.
        processors = folders.compactMap { Self.text(at: "\($0)/cpu.max") }.compactMap { text -> Int? in
            let parts = text.split(separator: " ").compactMap { Int($0) }
            guard parts.count == 2, parts[0] > 0, parts[1] > 0 else { return nil }
            return max(1, (parts[0] + parts[1] - 1) / parts[1])
        }.min()
    }

    private static func text(at path: String) -> String? {
        (try? Data(contentsOf: URL(filePath: path))).map { data in
            let text = String(decoding: data, as: UTF8.self)
            return text.hasSuffix("\n") ? String(text.dropLast()) : text
        }
    }
}
