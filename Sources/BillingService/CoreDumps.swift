#if canImport(Glibc)
    import Glibc
#endif

/// What is left on disk of a program that crashes.
enum CoreDumps {
    /// Secrets are in memory: nothing of it is left. A limit of 1, since one of 0 does not hold for dumps that are piped to
    /// another program, as to systemd-coredump, and no dump is as small as 1 byte (core(5)).
    static func forbid() {
        var limit = rlimit(rlim_cur: 1, rlim_max: 1)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }
}
