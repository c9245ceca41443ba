/// A path with parameters in braces, such as `/v2/accounts/{accountId}/billing`.
struct SandboxPathTemplate: Sendable, ExpressibleByStringLiteral {
    private enum Segment: Sendable {
        case literal(String)
        case parameter(String)
    }

    private let segments: [Segment]

    init(stringLiteral template: String) {
        segments = template.split(separator: "/", omittingEmptySubsequences: false).map { segment in
            guard segment.hasPrefix("{"), segment.hasSuffix("}") else { return .literal(String(segment)) }
            return .parameter(String(segment.dropFirst().dropLast()))
        }
    }

    /// The parameters of a path, by name; `nil` if the path does not match. A parameter matches any segment.
    ///
    /// - Parameter path: The segments between the slashes. The first one is empty, since a path begins with a slash.
    func parameters(of path: [Substring]) -> [String: String]? {
        guard path.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (segment, text) in zip(segments, path) {
            switch segment {
            case .literal(let literal): guard text == literal else { return nil }
            case .parameter(let name): parameters[name] = String(text)
            }
        }
        return parameters
    }
}
