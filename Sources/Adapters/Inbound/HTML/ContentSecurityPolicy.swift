import FoundationEssentials

/// What a page may load and run, besides its empty icon (CSP 3). Everything else is forbidden, also to be shown in a frame.
struct ContentSecurityPolicy {
    let text: String

    /// - Parameter allowed: Directives with their values.
    init(_ allowed: [(directive: String, sources: [String])]) {
        let directives = allowed.map { "\($0.directive) \($0.sources.joined(separator: " "))" }
        text =
            (["default-src 'none'", "img-src data:"] + directives + [
                "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
            ])
            .joined(separator: "; ")
    }

    /// A source: exactly this script or style inside of the page.
    static func hash(of text: String) -> String {
        "'sha256-\(Data(SHA256Digest(of: text).bytes).base64EncodedString())'"
    }
}
