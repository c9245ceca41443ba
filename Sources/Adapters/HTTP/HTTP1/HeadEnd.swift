import Glibc

/// Finds the end of the head of an HTTP/1.1 request: CR LF CR LF. A value, since a head may arrive in any pieces.
package struct HeadEnd {
    /// Whether there was a byte other than those of empty lines before the request (RFC 9112, 2.2).
    package private(set) var hasBegun = false

    /// The lines so far. A line ends with LF, with or without CR.
    package private(set) var lines = 0

    /// The last bytes that are the beginning of CR LF CR LF.
    private var matched = 0

    package init() {}

    package var isFound: Bool { matched == 4 }

    /// Takes the next bytes. Returns how many of them belong to the head and to empty lines before it.
    package mutating func advance(over bytes: UnsafeRawBufferPointer) -> Int {
        guard let start = bytes.baseAddress else { return 0 }
        var index = 0
        if !hasBegun {
            while index < bytes.count, bytes[index] == Self.cr || bytes[index] == Self.lf { index += 1 }
            guard index < bytes.count else { return index }
            hasBegun = true
        }
        while index < bytes.count {
            let left = bytes.count - index
            guard let found = memchr(start + index, Int32(Self.lf), left) else {
                skip(UnsafeRawBufferPointer(start: start + index, count: left))
                return bytes.count
            }
            let lineFeed = UnsafeRawPointer(found) - start
            skip(UnsafeRawBufferPointer(start: start + index, count: lineFeed - index))
            lines += 1
            index = lineFeed + 1
            // A line feed is the second or the fourth byte of the end.
            matched = matched == 1 || matched == 3 ? matched + 1 : 0
            if isFound { break }
        }
        return index
    }

    /// Takes bytes without a line feed.
    private mutating func skip(_ bytes: UnsafeRawBufferPointer) {
        guard let last = bytes.last else { return }
        if last != Self.cr {
            matched = 0
        } else {
            matched = matched == 2 && bytes.count == 1 ? 3 : 1
        }
    }

    private static let cr = UInt8(ascii: "\r")
    private static let lf = UInt8(ascii: "\n")
}
