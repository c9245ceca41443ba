import CHTTP2
package import Domain

/// The bytes of a secret in memory of their own, which is overwritten before it is given back.
package final class ClearedBytes: SecretHolder {
    // Safe: it is written before anybody else can see it, only read after that, and freed when nobody is left.
    private nonisolated(unsafe) let storage: UnsafeMutableBufferPointer<UInt8>

    package init(_ bytes: some Collection<UInt8>) {
        storage = .allocate(capacity: bytes.count)
        _ = storage.initialize(fromContentsOf: bytes)
    }

    deinit {
        // Which, other than an assignment, no compiler leaves out because nobody reads it any more.
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

    /// A copy of the bytes, which nobody clears: for what is about to be sent.
    package var bytes: [UInt8] {
        reveal { bytes in bytes.withUnsafeBufferPointer { Array($0) } }
    }
}

/// Overwrites what was secret, before the memory is given back.
func cleanse(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
}
