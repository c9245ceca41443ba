import CHTTP2

/// OpenSSL's queue of errors, one for each thread.
enum OpenSSLError {
    /// The first error's own word for its reason, which holds nothing of what was worked on. The queue is empty then.
    static func take() -> String {
        defer { ERR_clear_error() }
        let code = ERR_get_error()
        guard code != 0, let reason = ERR_reason_error_string(code) else { return "no reason given" }
        return String(cString: reason)
    }
}
