import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// What this process may have of the machine it runs on.
struct Machine: Sendable {
    /// Bytes of memory: the smallest limit of the control groups it is in, or all there is.
    var memoryBytes: Int

    /// Files that may be open at once, sockets included.
    var openFilesMax: Int

    /// Files that are open beside connections: the listeners, those to Zoom, logs, and what libraries open.
    static let otherFiles = 256

    /// The machine as it is. Raises the limit of open files as far as it may be raised.
    static let this = Machine(memoryBytes: memoryAtHand(), openFilesMax: raisedOpenFiles())

    /// Linux: Control Group v2, `memory.max`; cgroup-v1/memory, `memory.limit_in_bytes`; proc(5), `meminfo`.
    private static func memoryAtHand() -> Int {
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
            .compactMap { text(at: $0) }
            // "max" is no number, and means what is said: none.
            .compactMap { Int($0.trimmingSuffix(while: \.isWhitespace)) }
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        let pageBytes = sysconf(Int32(_SC_PAGESIZE))
        return (limits + [pages * pageBytes]).filter { $0 > 0 }.min() ?? 1 << 30
    }

    private static func text(at path: String) -> String? {
        (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func raisedOpenFiles() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }
}

extension String {
    fileprivate func trimmingSuffix(while isBlank: (Character) -> Bool) -> Substring {
        self[..<(lastIndex { !isBlank($0) }.map { index(after: $0) } ?? startIndex)]
    }
}
