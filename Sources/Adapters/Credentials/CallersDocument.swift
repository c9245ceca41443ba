package import Domain
import NIOCore

/// The content of the callers file: the programs that may call. Its schema is in `docs/files.md`.
package struct CallersDocument: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var caller: Caller
        package var credential: Credential

        /// The entry is ignored from this time on; `nil` if it does not expire.
        package var expires: Timestamp?

        package init(_ caller: Caller, credential: Credential, expires: Timestamp? = nil) {
            self.caller = caller
            self.credential = credential
            self.expires = expires
        }

        package func isLive(at now: Timestamp) -> Bool { expires.map { now < $0 } ?? true }
    }

    /// What identifies a caller.
    package enum Credential: Sendable, Equatable {
        /// The SHA-256 of its token, and of the previous token, which is valid until it is revoked.
        case token(SHA256Digest, previous: SHA256Digest?)
        /// A subject alternative name of its certificate, with its type as a prefix: `URI:spiffe://example/reports`.
        case certificate(san: String)
    }

    /// Names, tokens and certificates are unique.
    package private(set) var entries: [Entry]

    package init() {
        entries = []
    }

    package subscript(_ name: Name) -> Entry? { entries.first { $0.caller.name == name } }

    /// Replaces the entry of that name, or appends the entry.
    ///
    /// - Throws: `DocumentProblem` if another entry has the same token or certificate.
    package mutating func set(_ entry: Entry) throws(DocumentProblem) {
        var entries = entries
        if let index = entries.firstIndex(where: { $0.caller.name == entry.caller.name }) {
            entries[index] = entry
        } else {
            entries.append(entry)
        }
        try Self.checkCredentials(of: entries)
        self.entries = entries
    }

    package mutating func remove(_ name: Name) {
        entries.removeAll { $0.caller.name == name }
    }

    private static let members: Set<String> = [
        "name", "token_sha256", "certificate_san", "scopes", "master", "accounts", "rate", "expires",
    ]

    /// The types of subject alternative names that may identify a caller.
    package static let certificateNameKinds = ["DNS:", "URI:", "email:", "IP:"]

    package init(parsing bytes: [UInt8]) throws(DocumentProblem) {
        var entries: [Entry] = []
        var names: Set<Name> = []
        var problems: [DocumentProblem] = []
        for (index, value) in try JSONValue.document(bytes, array: "callers").enumerated() {
            do throws(DocumentProblem) {
                let entry = try Self.entry(try StrictObject(value, at: "caller \(index + 1)", members: Self.members))
                guard names.insert(entry.caller.name).inserted else {
                    throw DocumentProblem("caller \(index + 1) has the same name as another")
                }
                entries.append(entry)
            } catch {
                problems.append(error)
            }
        }
        try DocumentProblem.check(problems)
        try Self.checkCredentials(of: entries)
        self.entries = entries
    }

    private static func checkCredentials(of entries: [Entry]) throws(DocumentProblem) {
        var digests: Set<SHA256Digest> = []
        var certificates: Set<String> = []
        for (index, entry) in entries.enumerated() {
            let isNew =
                switch entry.credential {
                case .token(let digest, let previous):
                    digests.insert(digest).inserted && (previous.map { digests.insert($0).inserted } ?? true)
                case .certificate(let san): certificates.insert(san).inserted
                }
            guard isNew else {
                throw DocumentProblem("caller \(index + 1) has the same token or certificate as another")
            }
        }
    }

    private static func entry(_ object: StrictObject) throws(DocumentProblem) -> Entry {
        let nameFormat = "a name of letters, digits and - _ . @ : /"
        let name = try object.required("name", as: nameFormat) { $0.string.flatMap(Name.init) }
        let credential = try credential(of: object)
        let scopes = Caller.Scope.allCases.map(\.rawValue).joined(separator: ", ")
        let caller = Caller(
            name: name,
            scopes: try object.required("scopes", as: "an array of the scopes \(scopes)") { value in
                set(of: value) { Caller.Scope(rawValue: $0) }
            },
            master: try object.member("master", as: nameFormat) { $0.string.flatMap(Name.init) },
            accounts: try accounts(of: object),
            rate: try object.member("rate", as: "a rate such as \"200,20/s\"") { value in
                value.string.flatMap { Limits.Rate($0) }.map { Caller.Rate(burst: $0.burst, perSecond: $0.perSecond) }
            })
        let expires = try object.member("expires", as: "a time such as \"2030-01-31T12:00:00Z\"") {
            $0.string.flatMap { Timestamp(rfc3339: $0) }
        }
        return Entry(caller, credential: credential, expires: expires)
    }

    private static func accounts(of object: StrictObject) throws(DocumentProblem) -> AllowList? {
        let kind = "an array of ids of sub accounts"
        guard let values = try object.member("accounts", as: kind, \.array) else { return nil }
        var accounts: [AccountID] = []
        accounts.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            guard let account = value.string.flatMap(AccountID.init), !account.isMasterAlias else {
                throw object.problem("\"accounts\" must be \(kind): element \(index + 1) is not")
            }
            accounts.append(account)
        }
        return AllowList(accounts)
    }

    private static func set<Element>(of value: JSONValue, _ read: (String) -> Element?) -> Set<Element>? {
        guard let values = value.array else { return nil }
        var elements: Set<Element> = []
        for value in values {
            guard let element = value.string.flatMap(read) else { return nil }
            elements.insert(element)
        }
        return elements
    }

    private static func credential(of object: StrictObject) throws(DocumentProblem) -> Credential {
        switch (object["token_sha256"], object["certificate_san"]) {
        case (_?, _?): throw object.problem("either \"token_sha256\" or \"certificate_san\", not both")
        case (nil, nil): throw object.problem("\"token_sha256\" or \"certificate_san\" is needed")
        case (_?, nil):
            return try object.required("token_sha256", as: "64 hexadecimal digits, or an array of one or two of them") {
                let values = $0.array ?? [$0]
                let digests = values.compactMap { $0.string.flatMap { SHA256Digest(hexadecimal: $0) } }
                guard digests.count == values.count, let digest = digests.first, digests.count <= 2 else { return nil }
                return .token(digest, previous: digests.count == 2 ? digests[1] : nil)
            }
        case (nil, _?):
            let kinds = certificateNameKinds
            return try object.required(
                "certificate_san", as: "a string that begins with one of \(kinds.joined(separator: " "))"
            ) {
                $0.string.flatMap { certificate(named: $0) }
            }
        }
    }

    /// `nil` unless the name has the form of a subject alternative name with its type as a prefix.
    package static func certificate(named san: String) -> Credential? {
        guard san.utf8.count <= 1024, certificateNameKinds.contains(where: { san.hasPrefix($0) && san != $0 }),
            !san.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
        else { return nil }
        return .certificate(san: CertificateName.canonical(san))
    }

    /// The JSON text of the file, with one line for each caller.
    package var text: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeDocument("callers", entries) { buffer, entry in
            buffer.writeJSONObject { object in Self.write(entry, &object) }
        }
        return Array(buffer.readableBytesView)
    }

    private static func write(_ entry: Entry, _ object: inout JSONMemberWriter) {
        let caller = entry.caller
        func texts(_ texts: [String]) -> (inout ByteBuffer) -> Void {
            { buffer in buffer.writeJSONArray(texts) { $0.writeJSONString($1) } }
        }
        object.member("name", caller.name.rawValue)
        switch entry.credential {
        case .token(let digest, nil): object.member("token_sha256", digest.hexadecimal)
        case .token(let digest, let previous?):
            object.member("token_sha256", write: texts([digest.hexadecimal, previous.hexadecimal]))
        case .certificate(let san): object.member("certificate_san", san)
        }
        object.member("scopes", write: texts(caller.scopes.map(\.rawValue).sorted()))
        if let master = caller.master { object.member("master", master.rawValue) }
        if let accounts = caller.accounts?.accounts {
            object.member("accounts") { buffer in
                buffer.writeJSONArray(0..<accounts.count) { $0.writeJSONString(accounts[$1].rawValue) }
            }
        }
        if let rate = caller.rate { object.member("rate", "\(rate.burst),\(rate.perSecond)/s") }
        if let expires = entry.expires { object.member("expires", expires.rfc3339) }
    }
}
