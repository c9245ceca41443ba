import Domain

/// Reads the idempotency key of a request (draft-ietf-httpapi-idempotency-key-header).
enum IdempotencyKeyField {
    /// The name of the field in violations.
    private static let name = "idempotency-key"

    /// The key, written as a string with quotes (RFC 8941, 3.3.3), or without them, as many clients send it. `nil` without
    /// the field.
    ///
    /// - Throws: `invalid` for a key that breaks the rules, and for several keys.
    static func key(of request: HTTPRequest) throws(BillingFailure) -> IdempotencyKey? {
        guard let field = request.fields.string(.idempotencyKey) else { return nil }
        guard request.fields.firstRepeated(of: [.idempotencyKey]) == nil else {
            throw .invalid([.init(field: name, message: "Given twice.")])
        }
        var text = field[...].trimmed
        if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") { text = text.dropFirst().dropLast() }
        return try key(String(text))
    }

    /// - Throws: `invalid` for a key that breaks the rules.
    static func key(_ text: String?) throws(BillingFailure) -> IdempotencyKey {
        guard let key = text.flatMap({ IdempotencyKey($0) }) else {
            throw .invalid([
                .init(
                    field: name,
                    message: "Must be 1 to \(IdempotencyKey.lengthMax) visible ASCII characters without \" and \\.")
            ])
        }
        return key
    }
}
