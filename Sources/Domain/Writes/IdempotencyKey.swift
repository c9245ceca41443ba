/// A caller's name for one write. Requests with the same key are the same write, so it is sent only once
/// (draft-ietf-httpapi-idempotency-key-header).
package struct IdempotencyKey: Sendable, Hashable {
    package static let lengthMax = 255

    package let rawValue: String

    /// `nil` unless the text has 1 to `lengthMax` visible ASCII characters, none of them `"` or `\`.
    package init?(_ text: String) {
        guard (1...Self.lengthMax).contains(text.utf8.count), text.utf8.allSatisfy(Self.isAllowed) else { return nil }
        rawValue = text
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }
}

/// An idempotency key of one caller. Other callers may use the same key for other writes.
package struct CallerKey: Sendable, Hashable {
    package let caller: Name

    /// The master account of the caller; `nil` for the only one.
    package let master: Name?
    package let key: IdempotencyKey

    package init(caller: Name, master: Name?, key: IdempotencyKey) {
        self.caller = caller
        self.master = master
        self.key = key
    }
}

/// The write that a key belongs to, without its content.
package struct KeyedRequest: Sendable, Equatable {
    /// The number of bytes of a digest.
    package static let digestCount = 32

    package let operation: Operation
    package let account: AccountID

    /// SHA-256 over the key and the canonical request: equal requests with one key have equal digests.
    package let digest: [UInt8]

    /// - Precondition: The digest has `digestCount` bytes.
    package init(operation: Operation, account: AccountID, digest: [UInt8]) {
        precondition(digest.count == Self.digestCount, "a digest has \(Self.digestCount) bytes")
        self.operation = operation
        self.account = account
        self.digest = digest
    }
}

/// What is recorded about a key.
package struct KeyRecord: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        /// The write has a claim that is neither finished nor released.
        case running
        /// The request may have reached the source, and its answer is not known.
        case unknown
        case finished(WriteOutcome)
    }

    package let request: KeyedRequest
    package let state: State

    /// When the key was claimed.
    package let recordedAt: Timestamp

    package init(request: KeyedRequest, state: State, recordedAt: Timestamp) {
        self.request = request
        self.state = state
        self.recordedAt = recordedAt
    }
}
