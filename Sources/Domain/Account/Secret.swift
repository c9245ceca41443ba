/// Bytes that must not be seen: printing, dumping or interpolating them shows only that they are there, and there is no
/// way of encoding them. What holds them clears its memory when the last copy of the secret goes.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let holder: any SecretHolder

    package init(in holder: any SecretHolder) {
        self.holder = holder
    }

    /// Gives the bytes to the one place that sends them.
    package func reveal<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        holder.reveal(body)
    }

    package var description: String { "<secret>" }
    package var debugDescription: String { "<secret>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Holds the bytes of a secret and clears them when it goes.
package protocol SecretHolder: AnyObject, Sendable {
    func reveal<Result>(_ body: (Span<UInt8>) -> Result) -> Result

    /// Whether both hold the same bytes; how long it takes does not depend on where they differ.
    func isEqual(to other: any SecretHolder) -> Bool
}

extension Secret: Equatable {
    package static func == (left: Secret, right: Secret) -> Bool { left.holder.isEqual(to: right.holder) }
}
