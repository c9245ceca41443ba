import Glibc

/// Reads the head of a plain HTTP/1.1 request in one pass. `HTTP1Fields` reads all others, after NIO's parser.
enum PlainHeadReader {
    /// The head at the start of `bytes`, and its size; `nil` if it is not complete or not plain.
    ///
    /// Accepts a part of what RFC 9112 permits: one space between the parts of the request line, origin form, CR LF at the end
    /// of each line, visible ASCII and spaces in values.
    static func read(_ bytes: UnsafeRawBufferPointer, limits: Limits) -> (fields: PlainFields, headBytes: Int)? {
        guard let start = bytes.baseAddress, let methodCount = methodCount(bytes) else { return nil }
        var fields = PlainFields()
        let targetStart = methodCount + 1
        // A long target is not searched to its end: it is not plain.
        let searched = min(bytes.count - targetStart, limits.pathBytesMax + 1)
        guard let space = memchr(start + targetStart, 0x20, searched) else { return nil }
        let targetCount = UnsafeRawPointer(space) - start - targetStart
        fields.setRequestLine(
            method: .init(start: 0, count: methodCount), target: .init(start: targetStart, count: targetCount))
        var line = targetStart + targetCount + version.utf8CodeUnitCount
        guard line <= bytes.count,
            memcmp(start + targetStart + targetCount, version.utf8Start, version.utf8CodeUnitCount) == 0
        else { return nil }
        // The size as `HTTP1Fields` counts it.
        var listBytes = targetCount + 32
        var count = 0
        while fields.isPlain, line &+ 1 < bytes.count {
            if bytes[line] == 0x0D {
                guard bytes[line &+ 1] == 0x0A, listBytes <= limits.headerListBytesMax, count <= limits.headerFieldsMax
                else { return nil }
                return (fields, line &+ 2)
            }
            guard let nameEnd = nameEnd(from: line, in: bytes) else { return nil }
            var valueStart = nameEnd &+ 1
            while valueStart < bytes.count, bytes[valueStart] == 0x20 { valueStart &+= 1 }
            let valueEnd = valueEnd(from: valueStart, in: bytes)
            guard valueEnd &+ 1 < bytes.count, bytes[valueEnd] == 0x0D, bytes[valueEnd &+ 1] == 0x0A,
                bytes[valueEnd &- 1] != 0x20
            else { return nil }
            fields.add(
                text(bytes, line..<nameEnd), text(bytes, valueStart..<valueEnd),
                at: .init(start: valueStart, count: valueEnd &- valueStart), isHTTP1: true)
            listBytes &+= (nameEnd &- line) &+ (valueEnd &- valueStart) &+ 32
            count &+= 1
            line = valueEnd &+ 2
        }
        return nil
    }

    private static let version: StaticString = " HTTP/1.1\r\n"

    /// The size of the method GET or HEAD, if the request line starts with it and a target in origin form.
    private static func methodCount(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 6, let start = bytes.baseAddress else { return nil }
        if memcmp(start, "GET /", 5) == 0 { return 3 }
        return memcmp(start, "HEAD /", 6) == 0 ? 4 : nil
    }

    /// The longest name that `PlainFields` accepts, `x-forwarded-proto`.
    private static let nameBytesMax = 17

    /// The place of the colon after a name without control characters and spaces. `PlainFields` checks the rest of the name.
    private static func nameEnd(from start: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
        let end = min(bytes.count, start &+ nameBytesMax &+ 1)
        var index = start
        while index < end {
            if bytes[index] == UInt8(ascii: ":") { return index > start ? index : nil }
            guard bytes[index] > 0x20 else { return nil }
            index &+= 1
        }
        return nil
    }

    /// The place of the first byte that is neither visible ASCII nor a space.
    private static func valueEnd(from start: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        var index = start
        // Eight bytes at a time: `low` has the highest bit of each byte that is below 0x20 or above 0x7F, `delete` that of each
        // 0x7F. Bits above the first such byte may be wrong.
        while index &+ 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let low = (word &- 0x2020_2020_2020_2020) | word
            let inverted = word ^ 0x7F7F_7F7F_7F7F_7F7F
            let delete = (inverted &- 0x0101_0101_0101_0101) & ~inverted
            let found = (low | delete) & 0x8080_8080_8080_8080
            if found != 0 { return index &+ found.trailingZeroBitCount >> 3 }
            index &+= 8
        }
        while index < bytes.count, bytes[index] >= 0x20, bytes[index] < 0x7F { index &+= 1 }
        return index
    }

    private static func text(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        UnsafeRawBufferPointer(rebasing: bytes[range]).assumingMemoryBound(to: UInt8.self)
    }
}
