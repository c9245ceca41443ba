/// The place of an answer among the answers to one operation: the bytes of the account id, followed by the bytes of the invoice id
/// if the read has one. Keys sort like the ids.
struct PageKey: Sendable {
    let bytes: [UInt8]

    /// The first 16 bytes as a big-endian number, which sorts like the key. Shorter keys are filled with zeros.
    let prefix: UInt128

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        prefix = Self.prefix(of: bytes.span)
    }

    init(_ read: AccountRead) {
        var bytes = Array(read.account.rawValue.utf8)
        if case .invoice(let invoice)? = read.parameter {
            // No id contains a zero byte, so an account sorts before its invoices, and these before the next account.
            bytes.append(0)
            bytes.append(contentsOf: invoice.rawValue.utf8)
        }
        self.init(bytes)
    }

    static func prefix(of key: Span<UInt8>) -> UInt128 {
        var prefix: UInt128 = 0
        for offset in 0..<16 { prefix = prefix << 8 | UInt128(offset < key.count ? key[offset] : 0) }
        return prefix
    }
}

/// Where a key sorts, compared with another one.
enum KeyOrder {
    case before
    case same
    case after

    /// The order of `left` to `right`.
    static func of(_ left: Span<UInt8>, _ right: Span<UInt8>) -> KeyOrder {
        for offset in 0..<min(left.count, right.count) where left[offset] != right[offset] {
            return left[offset] < right[offset] ? .before : .after
        }
        return left.count == right.count ? .same : left.count < right.count ? .before : .after
    }
}
