import CHTTP2

extension BuildInfo {
    /// The version of libnghttp2 that is loaded, which need not be the one it was built with.
    package static var nghttp2: String {
        // The library's own, for as long as the process lives.
        guard let info = nghttp2_version(0), let version = info.pointee.version_str else { return "unknown" }
        return String(cString: version)
    }
}
