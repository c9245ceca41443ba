import CHTTP2

extension BuildInfo {
    /// The version of OpenSSL that is loaded, which need not be the one it was built with.
    package static var openSSL: String {
        // The library's own, for as long as the process lives.
        guard let version = OpenSSL_version(OPENSSL_VERSION_STRING) else { return "unknown" }
        return String(cString: version)
    }
}
