package import Domain

/// The form in which Redis has a key.
enum StoredKey {
    /// The reply is not one of this version.
    struct Unreadable: Error {}

    /// The reply of a script that has read a key.
    static func reply(_ state: RedisValue, _ fields: RedisValue) throws(Unreadable) -> KeyReply {
        guard let state = state.string, let flat = fields.elements else { throw Unreadable() }
        let fields = Self.fields(flat)
        guard let token = fields["t"].flatMap({ Int64(String(decoding: $0, as: UTF8.self)) }) else {
            throw Unreadable()
        }
        return .recorded(try record(state, fields), token: token)
    }

    private static func fields(_ flat: [RedisValue]) -> [String: [UInt8]] {
        var fields: [String: [UInt8]] = [:]
        for index in stride(from: 0, to: flat.count - 1, by: 2) {
            if let name = flat[index].string { fields[name] = flat[index + 1].bytes }
        }
        return fields
    }

    private static func record(
        _ state: String, _ fields: [String: [UInt8]]
    ) throws(Unreadable) -> KeyRecord {
        func text(_ name: String) throws(Unreadable) -> String {
            guard let bytes = fields[name] else { throw Unreadable() }
            return String(decoding: bytes, as: UTF8.self)
        }
        guard let operation = Operation(storedName: try text("o")), let account = AccountID(try text("a")),
            let digest = fields["d"], digest.count == KeyedRequest.digestCount, let seconds = Int64(try text("r"))
        else { throw Unreadable() }
        let recordState: KeyRecord.State
        switch state {
        case "claimed", "sending": recordState = .running
        case "unknown": recordState = .unknown
        case "done": recordState = .finished(.done(fields["b"].map { SourceDocument(text: $0) }))
        case "refused":
            guard let kind = SourceRefusal.Kind(rawValue: try text("k")), let code = Int(try text("c")) else {
                throw Unreadable()
            }
            recordState = .finished(.refused(SourceRefusal(kind: kind, code: code, message: try text("m"))))
        case _: throw Unreadable()
        }
        return KeyRecord(
            request: KeyedRequest(operation: operation, account: account, digest: digest), state: recordState,
            recordedAt: Timestamp(secondsSinceEpoch: seconds))
    }

    /// The arguments of an outcome: state, finishedAt, time to live, whether there is a document, document, kind, code,
    /// message.
    static func arguments(_ outcome: WriteOutcome, at now: Timestamp, _ rules: KeyLedger.Rules) -> [[UInt8]] {
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        let times = [bytes("\(now.secondsSinceEpoch)"), bytes("\(rules.timeToLive)")]
        switch outcome {
        case .done(let document):
            return [bytes("done")] + times + [bytes(document == nil ? "0" : "1"), document?.text ?? [], [], [], []]
        case .refused(let refusal):
            return [bytes("refused")] + times
                + [
                    bytes("0"), [], bytes(refusal.kind.rawValue), bytes("\(refusal.code)"), bytes(refusal.message),
                ]
        }
    }
}

extension KeyReply {
    /// nil if the reply is not one of this version.
    package init?(_ value: RedisValue) {
        switch value {
        case .integer(1): self = .done
        case .integer(0): self = .refused
        case .text:
            switch value.string {
            case "removed": self = .removal(.removed)
            case "running": self = .removal(.running)
            case "absent": self = .removal(.absent)
            case _: return nil
            }
        case .array(let parts):
            switch parts.first?.string {
            case "claimed": self = .done
            case "free": self = .free
            case "recorded":
                guard parts.count == 3, let reply = try? StoredKey.reply(parts[1], parts[2]) else { return nil }
                self = reply
            case _: return nil
            }
        case .null, .integer, .error: return nil
        }
    }
}
