package import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// Searches in bytes, at the speed of the C library. Indices are those of the buffer.
extension ByteBuffer {
    /// The index of the first readable `byte` at or after `start`.
    package func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress, start >= readerIndex, start < writerIndex,
                let found = memchr(base + (start - readerIndex), CInt(byte), writerIndex - start)
            else { return nil }
            return readerIndex + (UnsafeRawPointer(found) - base)
        }
    }

    /// The index of the last readable `byte`.
    package func lastIndex(of byte: UInt8) -> Int? {
        withUnsafeReadableBytes { bytes in
            bytes.lastIndex(of: byte).map { readerIndex + $0 }
        }
    }

    /// Whether the readable bytes at `index` begin with `text`.
    package func begins(with text: StaticString, at index: Int) -> Bool {
        withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress, index >= readerIndex,
                index + text.utf8CodeUnitCount <= writerIndex
            else { return false }
            return memcmp(base + (index - readerIndex), text.utf8Start, text.utf8CodeUnitCount) == 0
        }
    }

    /// Compares two ranges of readable bytes in the order of their bytes.
    ///
    /// - Returns: A negative number if `left` comes first, 0 if they are equal.
    package func compare(_ left: Range<Int>, _ right: Range<Int>) -> Int {
        withUnsafeReadableBytes { bytes in
            let readable = readerIndex..<writerIndex
            precondition(readable.contains(left) && readable.contains(right), "a range outside the readable bytes")
            guard let base = bytes.baseAddress else { return 0 }
            let order = memcmp(
                base + (left.lowerBound - readerIndex), base + (right.lowerBound - readerIndex),
                min(left.count, right.count))
            return order == 0 ? left.count - right.count : Int(order)
        }
    }

    /// Whether a line is UTF-8 and `writeJSONText` would not change it: it has no control characters and no other line ends.
    ///
    /// - Parameter line: A range of the readable bytes, without the line feed.
    package func isPlainLine(_ line: Range<Int>) -> Bool {
        precondition(
            line.lowerBound >= readerIndex && line.upperBound <= writerIndex, "a range outside the readable bytes")
        let kind = withUnsafeReadableBytes { bytes -> LineKind in
            let (start, end) = (line.lowerBound - readerIndex, line.upperBound - readerIndex)
            // The loop reads two bytes ahead.
            let whole = max(start, min(end, bytes.count - 2))
            // Without branches, so that the compiler uses vector instructions.
            var found: UInt8 = 0
            var all: UInt8 = 0
            for index in start..<whole {
                found |= Self.lineEnd(bytes[index], bytes[index + 1], bytes[index + 2])
                all |= bytes[index]
            }
            for index in whole..<end {
                found |= Self.lineEnd(bytes[index], index + 1 < end ? bytes[index + 1] : 0, 0)
                all |= bytes[index]
            }
            return found != 0 ? .other : all & 0x80 == 0 ? .ascii : .withoutLineEnds
        }
        switch kind {
        case .ascii: return true
        case .other: return false
        case .withoutLineEnds:
            do throws(UTF8.ValidationError) {
                let bytes = readableBytesUInt8Span
                _ = try UTF8Span(
                    validating: bytes.extracting((line.lowerBound - readerIndex)..<(line.upperBound - readerIndex)))
                return true
            } catch {
                return false
            }
        }
    }

    private enum LineKind {
        case ascii
        case withoutLineEnds
        case other
    }

    /// 1 if `first` is a control character, or begins a line end outside ASCII: U+0085, U+2028 or U+2029. Otherwise 0.
    @inline(__always)
    private static func lineEnd(_ first: UInt8, _ second: UInt8, _ third: UInt8) -> UInt8 {
        let isControl: UInt8 = (first < 0x20 ? 1 : 0) | (first == 0x7F ? 1 : 0)
        let isNextLine: UInt8 = (first == 0xC2 ? 1 : 0) & (second == 0x85 ? 1 : 0)
        let isSeparator: UInt8 =
            (first == 0xE2 ? 1 : 0) & (second == 0x80 ? 1 : 0) & (third & 0xFE == 0xA8 ? 1 : 0)
        return isControl | isNextLine | isSeparator
    }
}
