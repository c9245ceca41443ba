/// Bytes that must stay secret. Printing, dumping or interpolating them shows only a placeholder, and they cannot be
/// encoded. Their memory is cleared when the last copy is released.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let holder: any SecretHolder

    package init(in holder: any SecretHolder) {
        self.holder = holder
    }

    /// Passes the bytes to the code that sends them.
    package func reveal<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        holder.reveal(body)
    }

    package var description: String { "<secret>" }
    package var debugDescription: String { "<secret>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Stores the bytes of a secret and clears them when it is released.
package protocol SecretHolder: AnyObject, Sendable {
    func reveal<Result>(_ body: (Span<UInt8>) -> Result) -> Result

    /// Whether both have the same bytes. The time this takes does not depend on where they differ.
    func isEqual(to other: any SecretHolder) -> Bool
}

extension Secret: Equatable {
    package static func == (left: Secret, right: Secret) -> Bool { left.holder.isEqual(to: right.holder) }
}
