package import Domain
import NIOCore

/// The content of the credentials file: the master accounts. Its schema is in `docs/files.md`.
package struct CredentialsDocument: FileDocument, Sendable, Equatable {
    package struct Master: Sendable, Equatable {
        package var credentials: MasterCredentials

        /// `host` or `host:port`, overrides that of `zoom.oauth-url`.
        package var oauthHost: String?

        /// `host` or `host:port`, overrides that of `zoom.api-url`.
        package var apiHost: String?

        /// Overrides `zoom.plan`. Not validated here.
        package var plan: String?

        /// Overrides `zoom.rate-share`: above 0, at most 1.
        package var rateShare: Double?

        package var name: Name { credentials.name }

        package init(
            _ credentials: MasterCredentials, oauthHost: String? = nil, apiHost: String? = nil, plan: String? = nil,
            rateShare: Double? = nil
        ) {
            self.credentials = credentials
            self.oauthHost = oauthHost
            self.apiHost = apiHost
            self.plan = plan
            self.rateShare = rateShare
        }
    }

    /// Names are unique.
    package var masters: [Master]

    package init() {
        self.init(masters: [])
    }

    package init(masters: [Master]) {
        self.masters = masters
    }

    package subscript(_ name: Name) -> Master? { masters.first { $0.name == name } }

    private static let members: Set<String> = [
        "name", "account_id", "client_id", "client_secret", "oauth_host", "api_host", "plan", "rate_share",
    ]

    package init(parsing bytes: [UInt8]) throws(DocumentProblem) {
        masters = []
        var names: Set<Name> = []
        var problems: [DocumentProblem] = []
        for (index, value) in try JSONValue.document(bytes, array: "masters").enumerated() {
            do throws(DocumentProblem) {
                let master = try Self.master(try StrictObject(value, at: "master \(index + 1)", members: Self.members))
                guard names.insert(master.name).inserted else {
                    throw DocumentProblem("master \(index + 1) has the same name as another")
                }
                masters.append(master)
            } catch {
                problems.append(error)
            }
        }
        try DocumentProblem.check(problems)
    }

    private static func master(_ object: StrictObject) throws(DocumentProblem) -> Master {
        let text = { (value: JSONValue) in value.string.flatMap { isPlain($0.utf8) ? $0 : nil } }
        let kind = "a string of \(plainText)"
        let credentials = MasterCredentials(
            name: try object.required("name", as: "a name of letters, digits and - _ . @ : /") {
                $0.string.flatMap(Name.init)
            },
            accountID: try object.required("account_id", as: "the id of an account") {
                $0.string.flatMap(AccountID.init)
            },
            clientID: try object.required("client_id", as: kind + " without a colon") {
                $0.string.flatMap { isClientID($0) ? $0 : nil }
            },
            clientSecret: Secret(try object.required("client_secret", as: kind, text)))
        return Master(
            credentials, oauthHost: try object.member("oauth_host", as: "a host, or a host and a port", host),
            apiHost: try object.member("api_host", as: "a host, or a host and a port", host),
            plan: try object.member("plan", as: kind, text),
            rateShare: try object.member("rate_share", as: "a number above 0 and at most 1") { value in
                guard case .number(let text) = value, let share = Double(text), isRateShare(share) else { return nil }
                return share
            })
    }

    /// Describes `isPlain` in error messages.
    package static let plainText = "1 to 256 visible characters of ASCII"

    /// Whether the text needs no encoding in a header field.
    package static func isPlain(_ text: some Collection<UInt8>) -> Bool {
        (1...256).contains(text.count) && text.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// Excludes colons, since a colon ends the client id in Basic authentication (RFC 7617, 2).
    package static func isClientID(_ text: String) -> Bool { isPlain(text.utf8) && !text.contains(":") }

    package static func isHost(_ text: String) -> Bool {
        isPlain(text.utf8) && text.utf8.allSatisfy(isHostCharacter)
    }

    package static func isRateShare(_ share: Double) -> Bool { share > 0 && share <= 1 }

    private static func host(_ value: JSONValue) -> String? {
        value.string.flatMap { isHost($0) ? $0 : nil }
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || ".-:[]".utf8.contains(byte)
    }

    /// The JSON text of the file, with one line for each master account, so that a diff shows which one changed.
    package var text: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeDocument("masters", masters) { buffer, master in
            buffer.writeJSONObject { object in
                object.member("name", master.name.rawValue)
                object.member("account_id", master.credentials.accountID.rawValue)
                object.member("client_id", master.credentials.clientID)
                object.member(
                    "client_secret", String(decoding: master.credentials.clientSecret.bytes, as: UTF8.self))
                if let host = master.oauthHost { object.member("oauth_host", host) }
                if let host = master.apiHost { object.member("api_host", host) }
                if let plan = master.plan { object.member("plan", plan) }
                if let share = master.rateShare { object.member("rate_share") { $0.writeString("\(share)") } }
            }
        }
        return Array(buffer.readableBytesView)
    }
}

extension ByteBuffer {
    /// Writes an object with one array member, one element a line.
    mutating func writeDocument<Element>(
        _ name: StaticString, _ elements: [Element], _ write: (inout ByteBuffer, Element) -> Void
    ) {
        writeJSONObject { object in
            object.member(name) { buffer in
                buffer.writeJSONArray(elements) { buffer, element in
                    buffer.writeStaticString("\n  ")
                    write(&buffer, element)
                }
            }
        }
        writeStaticString("\n")
    }
}
