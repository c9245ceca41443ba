/// The service's version and the toolchain that built it.
package enum BuildInfo {
    /// Semantic Versioning 2.0.
    package static let version = "0.1.0"

    #if swift(>=6.4)
        package static let swift = "6.4 or later"
    #elseif swift(>=6.3)
        package static let swift = "6.3"
    #else
        package static let swift = "6.2"
    #endif
}
