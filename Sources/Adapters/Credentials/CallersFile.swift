import Domain

/// The programs that may call, each known by the SHA-256 of its token:
///
///     {"callers": [{"name": "reports", "token_sha256": "…64 hexadecimal digits…", "scopes": ["billing:read"]}]}
///
/// or by a name in its certificate, with its kind in front: `"certificate_san": "URI:spiffe://example/reports"`.
package struct CallersFile: Sendable {
    private let path: String

    package init(path: String) {
        self.path = path
    }

    /// The kinds of names a certificate may have that tell programs apart.
    private static let kinds = ["DNS:", "URI:", "email:", "IP:"]

    package func read() throws(FileProblem) -> CallerRegistry {
        func problem(_ reason: String) -> FileProblem { FileProblem(path: path, reason: reason) }
        let object = try JSONFile.object(at: path)
        guard let entries = object["callers"]?.array, !entries.isEmpty else {
            throw problem("\"callers\" must be an array with at least one caller")
        }
        var callers: [SHA256Digest: Caller] = [:]
        var callersByCertificate: [String: Caller] = [:]
        for (index, entry) in entries.enumerated() {
            let place = "caller \(index + 1)"
            guard let entry = entry.object else { throw problem("\(place) must be an object") }
            guard let name = entry["name"]?.string, !name.isEmpty else { throw problem("\(place) has no \"name\"") }
            let proof = try proof(of: entry, at: place)
            guard let names = entry["scopes"]?.array else { throw problem("\(place): \"scopes\" must be an array") }
            var scopes: Set<Caller.Scope> = []
            for name in names {
                guard let scope = name.string.flatMap(Caller.Scope.init) else {
                    let known = Caller.Scope.allCases.map(\.rawValue).joined(separator: ", ")
                    throw problem("\(place) has a scope that is none of \(known)")
                }
                scopes.insert(scope)
            }
            let caller = Caller(name: name, scopes: scopes)
            let another =
                switch proof {
                case .token(let digest): callers.updateValue(caller, forKey: digest)
                case .certificate(let san): callersByCertificate.updateValue(caller, forKey: san)
                }
            guard another == nil else { throw problem("\(place) has the same token or certificate as another") }
        }
        return CallerRegistry(callers, byCertificate: callersByCertificate)
    }

    /// What a caller is known by.
    private enum Proof {
        case token(SHA256Digest)
        case certificate(san: String)
    }

    private func proof(of entry: JSONObject, at place: String) throws(FileProblem) -> Proof {
        func problem(_ reason: String) -> FileProblem { FileProblem(path: path, reason: "\(place): \(reason)") }
        switch (entry["token_sha256"], entry["certificate_san"]) {
        case (let text, nil):
            guard let text = text?.string, let digest = SHA256Digest(hexadecimal: text) else {
                throw problem("\"token_sha256\" must be 64 hexadecimal digits")
            }
            return .token(digest)
        case (nil, let text?):
            guard let san = text.string, Self.kinds.contains(where: { san.hasPrefix($0) && san.count > $0.count })
            else { throw problem("\"certificate_san\" must begin with one of \(Self.kinds.joined(separator: " "))") }
            return .certificate(san: san)
        case (_?, _?):
            throw problem("either \"token_sha256\" or \"certificate_san\", not both")
        }
    }
}
