package import Domain

/// Stores a secret without protection.
package final class PlainSecret: SecretHolder {
    private let bytes: [UInt8]

    package init(_ text: String) {
        bytes = Array(text.utf8)
    }

    package func reveal<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        let bytes = bytes
        return body(bytes.span)
    }

    package func isEqual(to other: any SecretHolder) -> Bool {
        other.reveal { other in
            other.count == bytes.count && other.indices.allSatisfy { other[$0] == bytes[$0] }
        }
    }
}
