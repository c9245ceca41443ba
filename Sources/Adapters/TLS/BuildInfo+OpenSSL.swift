import CHTTP2

extension BuildInfo {
    /// The version of the loaded OpenSSL, which may differ from the version at build time.
    package static var openSSL: String {
        // A static string of the library, valid for the lifetime of the process.
        guard let version = OpenSSL_version(OPENSSL_VERSION_STRING) else { return "unknown" }
        return String(cString: version)
    }
}
