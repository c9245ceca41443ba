import CHTTP2

extension BuildInfo {
    /// The version of the loaded libnghttp2, which may differ from the version at build time.
    package static var nghttp2: String {
        // A static string of the library, valid for the lifetime of the process.
        guard let info = nghttp2_version(0), let version = info.pointee.version_str else { return "unknown" }
        return String(cString: version)
    }
}
