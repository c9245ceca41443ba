import CHTTP2
package import Domain

/// Holds the bytes of a secret in separately allocated memory, which is overwritten before it is freed.
package final class ClearedBytes: SecretHolder {
    // Safe: written only in `init`, then only read, and freed in `deinit`.
    private nonisolated(unsafe) let storage: UnsafeMutableBufferPointer<UInt8>

    package init(_ bytes: some Collection<UInt8>) {
        storage = .allocate(capacity: bytes.count)
        _ = storage.initialize(fromContentsOf: bytes)
    }

    deinit {
        // The compiler may remove assignments to memory that is not read again, but not this call.
        OPENSSL_cleanse(storage.baseAddress, storage.count)
        storage.deallocate()
    }

    package func reveal<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(storage.span)
    }

    package func isEqual(to other: any SecretHolder) -> Bool {
        other.reveal { other in
            guard other.count == storage.count else { return false }
            return other.withUnsafeBufferPointer {
                CRYPTO_memcmp($0.baseAddress, storage.baseAddress, storage.count) == 0
            }
        }
    }
}

extension Secret {
    package init(_ bytes: some Collection<UInt8>) {
        self.init(in: ClearedBytes(bytes))
    }

    package init(_ text: String) {
        self.init(text.utf8)
    }

    /// A copy of the bytes, for sending. The copy is not cleared.
    package var bytes: [UInt8] {
        reveal { bytes in bytes.withUnsafeBufferPointer { Array($0) } }
    }
}

/// Overwrites secret bytes with zeros.
func cleanse(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
}
