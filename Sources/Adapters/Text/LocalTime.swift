#if canImport(Glibc)
    import Glibc
#endif

/// The time of the day in the time zone of this machine, for people at a terminal.
package enum LocalTime {
    /// `23:59:58`
    package static var now: String { text(of: time(nil), hasSeconds: true) }

    /// `23:59`, or `23:59:58`.
    ///
    /// - Parameter seconds: Since 1970.
    package static func text(of seconds: Int, hasSeconds: Bool = false) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return hasSeconds ? "--:--:--" : "--:--" }
        return [parts.tm_hour, parts.tm_min, parts.tm_sec].prefix(hasSeconds ? 3 : 2)
            .map { ($0 < 10 ? "0" : "") + String($0) }.joined(separator: ":")
    }
}
