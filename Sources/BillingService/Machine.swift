import NIOCore

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

    /// Processors whose time may be used, at least 1: a part of one counts as one.
    var processors: Int

    /// The machine as it is. Raises the limit of open files as far as it may be raised.
    static let this = Machine(
        memoryBytes: memoryAtHand(ControlGroups()), openFilesMax: raisedOpenFiles(),
        processors: min(NIOCore.System.coreCount, ControlGroups().processors ?? .max))

    private static func memoryAtHand(_ groups: ControlGroups) -> Int {
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
