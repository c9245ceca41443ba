package import NIOCore

/// Finds the end of a body in chunked transfer coding (RFC 9112, 7.1). Rejects ambiguous framing and excessive chunk
/// extensions. A value, whose result does not depend on how the bytes are split.
///
/// Trailer fields are checked by the parser behind it.
package struct ChunkedCoding {
    package enum Breach: Error {
        case malformed
        /// The chunk extensions, which are unused, exceed their limit.
        case extensions
    }

    private enum State {
        case size(digits: Int)
        case chunkExtension(bytes: Int)
        case sizeLineFeed
        case data
        case dataReturn
        case dataLineFeed
        case trailerStart
        case trailer
        case trailerLineFeed
        case endLineFeed
        case over
    }

    private static let sizeDigitsMax = 16
    private static let extensionBytesMax = 256

    private let extensionsBytesMax: Int
    private var state = State.size(digits: 0)
    /// The unread bytes of the current chunk.
    private var size: UInt64 = 0
    private var extensionsBytes = 0

    /// - Parameter extensionsBytesMax: The limit for all chunk extensions of the body together.
    package init(extensionsBytesMax: Int) {
        self.extensionsBytesMax = extensionsBytesMax
    }

    package var isOver: Bool {
        if case .over = state { true } else { false }
    }

    /// Returns how many of these bytes belong to the body: all, unless the body ends before.
    package mutating func advance(over bytes: ByteBufferView) throws(Breach) -> Int {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            switch state {
            case .data:
                let count = Int(min(size, UInt64(bytes.endIndex - index)))
                size -= UInt64(count)
                index += count
                if size == 0 { state = .dataReturn }
            case .over: return index - bytes.startIndex
            default:
                try take(bytes[index])
                index += 1
            }
        }
        return bytes.count
    }

    private mutating func take(_ byte: UInt8) throws(Breach) {
        switch (state, byte) {
        case (.size(let digits), _):
            if let digit = Hexadecimal.value(of: byte) {
                guard digits < Self.sizeDigitsMax else { throw .malformed }
                size = size << 4 | UInt64(digit)
                state = .size(digits: digits + 1)
            } else if digits > 0, byte == UInt8(ascii: ";") {
                state = .chunkExtension(bytes: 0)
            } else if digits > 0, byte == UInt8(ascii: "\r") {
                state = .sizeLineFeed
            } else {
                throw .malformed
            }
        case (.chunkExtension, UInt8(ascii: "\r")): state = .sizeLineFeed
        case (.chunkExtension(let bytes), 0x20...0x7E), (.chunkExtension(let bytes), 0x80...),
            (.chunkExtension(let bytes), UInt8(ascii: "\t")):
            extensionsBytes += 1
            guard bytes < Self.extensionBytesMax, extensionsBytes <= extensionsBytesMax else { throw .extensions }
            state = .chunkExtension(bytes: bytes + 1)
        case (.sizeLineFeed, UInt8(ascii: "\n")): state = size == 0 ? .trailerStart : .data
        case (.dataReturn, UInt8(ascii: "\r")): state = .dataLineFeed
        case (.dataLineFeed, UInt8(ascii: "\n")): state = .size(digits: 0)
        case (.trailerStart, UInt8(ascii: "\r")): state = .endLineFeed
        case (.trailer, UInt8(ascii: "\r")): state = .trailerLineFeed
        case (.trailerStart, UInt8(ascii: "\n")), (.trailer, UInt8(ascii: "\n")): throw .malformed
        case (.trailerStart, _), (.trailer, _): state = .trailer
        case (.trailerLineFeed, UInt8(ascii: "\n")): state = .trailerStart
        case (.endLineFeed, UInt8(ascii: "\n")): state = .over
        default: throw .malformed
        }
    }
}
