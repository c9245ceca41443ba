import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// The resources of the machine that this process may use.
struct Machine: Sendable {
    /// Bytes of memory: the smallest limit of the control groups, or all memory of the machine.
    var memoryBytes: Int

    /// The limit of open files, including sockets.
    var openFilesMax: Int

    /// Open files to reserve besides client connections: listeners, connections to Zoom, and files of libraries.
    static let otherFiles = 256

    /// Available processors, rounded up.
    var processors: Int

    /// The machine of this process. Raises the limit of open files to its maximum.
    static let this = Machine(
        memoryBytes: availableMemory(ControlGroups()), openFilesMax: raisedOpenFiles(),
        processors: min(NIOCore.System.coreCount, ControlGroups().processors ?? .max))

    private static func availableMemory(_ groups: ControlGroups) -> Int {
        let all = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        return [groups.memoryBytes, all].compactMap { $0 }.filter { $0 > 0 }.min() ?? 1 << 30
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
