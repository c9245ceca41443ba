import NIOCore

/// The JSON object in the body of a write. Unknown members are ignored.
struct SandboxWriteBody: Sendable {
    let object: JSONObject

    /// - Parameter contentType: The media type must be `application/json`.
    init(_ body: ByteBuffer?, contentType: String?) throws(SandboxRefusal) {
        let type = contentType?.split(whereSeparator: { $0 == ";" || $0 == " " }).first?.lowercased()
        guard type == "application/json", let body,
            let value = try? JSONValue(parsing: Array(body.readableBytesView), keepsText: false),
            let object = value.object
        else { throw .notAnObject }
        self.object = object
    }

    init(_ object: JSONObject) {
        self.object = object
    }

    subscript(_ name: String) -> JSONValue? { object[name] }

    /// A text that is not empty; `nil` otherwise.
    func text(_ name: String) -> String? {
        object[name]?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A JSON number without decimals; `nil` otherwise.
    func integer(_ name: String) -> Int? {
        guard case .number(let digits) = object[name] else { return nil }
        return Int(digits)
    }

    /// Checks optional members with a date as `yyyy-mm-dd`.
    func checkDates(_ names: String...) throws(SandboxRefusal) {
        for name in names {
            guard let value = object[name] else { continue }
            guard let text = value.string, SandboxDate(text) != nil else { throw .invalidParameter(name) }
        }
    }

    /// Checks `action`, `reason` and `comment` of a cancellation.
    func checkCancellation(requiresAction: Bool) throws(SandboxRefusal) {
        switch object["action"] {
        case .string("cancel"): break
        case nil where !requiresAction: break
        case nil: throw .slot(300, "Missing field: action.")
        case _?: throw .invalidParameter("action")
        }
        if object["reason"] != nil {
            guard let reason = integer("reason"), (1...6).contains(reason) else { throw .invalidParameter("reason") }
        }
        if let comment = object["comment"], comment.string == nil { throw .invalidParameter("comment") }
    }

    /// The type and the hosts of a plan, which Zoom calls required.
    ///
    /// - Parameter type: The refusal of a missing type.
    func plan(missingType: SandboxRefusal) throws(SandboxRefusal) -> (code: String, hosts: Int) {
        guard let code = text("type") else { throw missingType }
        guard object["hosts"] != nil else { throw .slot(300, "Missing field: hosts.") }
        guard let hosts = integer("hosts"), (1...SandboxCatalog.hostsMax).contains(hosts) else {
            throw .invalidParameter("hosts")
        }
        return (code, hosts)
    }
}
