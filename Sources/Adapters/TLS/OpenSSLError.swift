import CHTTP2

#if canImport(Glibc)
    import Glibc
#endif

/// OpenSSL's error queue of the current thread.
enum OpenSSLError {
    /// Returns the reason of the first error and clears the queue. The text contains no application data.
    static func take() -> String {
        defer { ERR_clear_error() }
        let code = ERR_get_error()
        guard code != 0 else { return "no reason given" }
        // ERR_SYSTEM_FLAG of err.h: the other bits are an `errno`, for which OpenSSL has no text.
        let systemFlag: UInt = 0x8000_0000
        if code & systemFlag != 0 { return String(cString: strerror(CInt(truncatingIfNeeded: code & ~systemFlag))) }
        return ERR_reason_error_string(code).map { String(cString: $0) } ?? "no reason given"
    }
}
