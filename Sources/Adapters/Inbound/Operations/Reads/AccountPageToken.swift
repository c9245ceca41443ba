package import Domain

/// The token of the next page of a list of accounts. It contains everything that the next request needs, so it never
/// expires and any replica can continue the list.
///
/// It is base64url (RFC 4648, 5) of the version, the kind of position, the page size, the filter, the position, and a
/// checksum. The checksum covers the caller as well, so another caller's token is refused. It is no signature: a token
/// permits nothing that its caller may not do without it.
package struct AccountPageToken: Sendable, Equatable {
    package let position: ListAccounts.Position
    package let size: Int
    package let filter: SubAccountFilter

    private static let version: UInt8 = 1
    private static let checksumBytes = 8

    /// The limit of a request's target is 8000 bytes.
    private static let lengthMax = 6000

    private enum Kind: UInt8 {
        case after = 1
        case source = 2
    }

    package init(position: ListAccounts.Position, size: Int, filter: SubAccountFilter) {
        self.position = position
        self.size = size
        self.filter = filter
    }

    /// `nil` for a text that is no token of this caller.
    package init?(_ text: String, for caller: Caller) {
        guard text.utf8.count <= Self.lengthMax, let decoded = Base64URL.bytes(of: text),
            decoded.count > Self.checksumBytes
        else { return nil }
        var bytes = decoded[...]
        let checksum = bytes.suffix(Self.checksumBytes)
        bytes = bytes.dropLast(Self.checksumBytes)
        guard Self.checksum(of: bytes, caller).elementsEqual(checksum) else { return nil }
        guard bytes.popFirst() == Self.version, let kind = bytes.popFirst().flatMap({ Kind(rawValue: $0) }) else {
            return nil
        }
        guard let size = Self.readNumber(&bytes), let filterLength = bytes.popFirst(),
            filterLength <= bytes.count
        else { return nil }
        let reseller = String(decoding: bytes.prefix(Int(filterLength)), as: UTF8.self)
        bytes = bytes.dropFirst(Int(filterLength))
        switch kind {
        case .after:
            guard let account = AccountID(bytes) else { return nil }
            position = .after(account)
        case .source:
            guard let number = Self.readNumber(&bytes) else { return nil }
            position = .source(token: String(decoding: bytes, as: UTF8.self), number: number)
        }
        self.size = size
        filter = reseller.isEmpty ? .all : SubAccountFilter(reseller: reseller)
    }

    /// The text of the token; `nil` for the position of a page number, which needs no token.
    package func text(for caller: Caller) -> String? {
        let kind: Kind
        var end: [UInt8] = []
        switch position {
        case .number: return nil
        case .after(let account):
            kind = .after
            end += account.rawValue.utf8
        case .source(let token, let number):
            kind = .source
            Self.append(number, to: &end)
            end += token.utf8
        }
        var bytes = [Self.version, kind.rawValue]
        Self.append(size, to: &bytes)
        let reseller = Array((filter.reseller ?? "").utf8.prefix(Int(UInt8.max)))
        bytes.append(UInt8(reseller.count))
        bytes += reseller + end
        return Base64URL.text(of: bytes + Self.checksum(of: bytes[...], caller))
    }

    private static func checksum(of bytes: ArraySlice<UInt8>, _ caller: Caller) -> ArraySlice<UInt8> {
        // A name contains no line break.
        let scope = "account page\n\(caller.master?.rawValue ?? "")\n\(caller.name)\n"
        let digest = SHA256Digest(of: (Array(scope.utf8) + bytes)[...])
        return Array(digest.hexadecimal.utf8)[..<Self.checksumBytes]
    }

    private static func append(_ number: Int, to bytes: inout [UInt8]) {
        let number = UInt32(clamping: number)
        for shift in stride(from: 24, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift)))
        }
    }

    private static func readNumber(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= 4 else { return nil }
        let number = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        bytes = bytes.dropFirst(4)
        return number
    }
}
