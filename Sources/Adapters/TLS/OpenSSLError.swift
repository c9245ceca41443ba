import CHTTP2

#if canImport(Glibc)
    import Glibc
#endif

/// OpenSSL's queue of errors, one for each thread.
enum OpenSSLError {
    /// The first error's own word for its reason, which holds nothing of what was worked on. The queue is empty then.
    static func take() -> String {
        defer { ERR_clear_error() }
        let code = ERR_get_error()
        guard code != 0 else { return "no reason given" }
        // ERR_SYSTEM_ERROR of err.h: the rest is an `errno`, which has no words of OpenSSL's.
        let systemFlag: UInt = 0x8000_0000
        if code & systemFlag != 0 { return String(cString: strerror(CInt(truncatingIfNeeded: code & ~systemFlag))) }
        return ERR_reason_error_string(code).map { String(cString: $0) } ?? "no reason given"
    }
}
