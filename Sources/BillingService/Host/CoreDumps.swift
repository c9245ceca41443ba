#if canImport(Glibc)
    import Glibc
#endif

/// Core dumps of this process.
enum CoreDumps {
    /// Forbids core dumps, which would write the secrets in memory to disk.
    ///
    /// The limit is 1 byte, since 0 does not apply to dumps that are piped to a program such as systemd-coredump, and a dump
    /// is always larger than 1 byte (core(5)).
    static func forbid() {
        var limit = rlimit(rlim_cur: 1, rlim_max: 1)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }
}
