import Domain

/// The programs that may call, each known by the SHA-256 of its token:
///
///     {"callers": [{"name": "reports", "token_sha256": "…64 hexadecimal digits…", "scopes": ["billing:read"]}]}
package struct CallersFile: Sendable {
    private let path: String

    package init(path: String) {
        self.path = path
    }

    package func read() throws(FileProblem) -> CallerRegistry {
        func problem(_ reason: String) -> FileProblem { FileProblem(path: path, reason: reason) }
        let object = try JSONFile.object(at: path)
        guard let entries = object["callers"]?.array, !entries.isEmpty else {
            throw problem("\"callers\" must be an array with at least one caller")
        }
        var callers: [SHA256Digest: Caller] = [:]
        for (index, entry) in entries.enumerated() {
            let place = "caller \(index + 1)"
            guard let entry = entry.object else { throw problem("\(place) must be an object") }
            guard let name = entry["name"]?.string, !name.isEmpty else { throw problem("\(place) has no \"name\"") }
            guard let text = entry["token_sha256"]?.string, let digest = SHA256Digest(hexadecimal: text) else {
                throw problem("\(place): \"token_sha256\" must be 64 hexadecimal digits")
            }
            guard let names = entry["scopes"]?.array else { throw problem("\(place): \"scopes\" must be an array") }
            var scopes: Set<Caller.Scope> = []
            for name in names {
                guard let scope = name.string.flatMap(Caller.Scope.init) else {
                    let known = Caller.Scope.allCases.map(\.rawValue).joined(separator: ", ")
                    throw problem("\(place) has a scope that is none of \(known)")
                }
                scopes.insert(scope)
            }
            guard callers.updateValue(Caller(name: name, scopes: scopes), forKey: digest) == nil else {
                throw problem("\(place) has the same token as another")
            }
        }
        return CallerRegistry(callers)
    }
}
