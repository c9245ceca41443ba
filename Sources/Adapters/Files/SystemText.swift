/// Converts file names, arguments and environment variables, whose bytes need not be UTF-8 (POSIX), to and from text.
///
/// UTF-8 is decoded. Each invalid byte becomes one private-use character, U+10FF80 to U+10FFFF; the UTF-8 form of these
/// characters is treated as invalid. So the conversion is lossless: `bytes(of:)` restores every byte. Python uses lone
/// surrogates for the same purpose (PEP 383), which Swift strings cannot contain.
package enum SystemText {
    package static let escapes: ClosedRange<UInt32> = 0x10FF80...0x10FFFF
    private static let escapeBase: UInt32 = 0x10FF00

    package static func text(of bytes: [UInt8]) -> String {
        // The first UTF-8 byte of the escape characters.
        if !bytes.contains(0xF4), let text = String(validating: bytes, as: UTF8.self) { return text }
        var scalars = String.UnicodeScalarView()
        func escape(_ bytes: some Sequence<UInt8>) {
            for byte in bytes {
                guard let scalar = Unicode.Scalar(escapeBase + UInt32(byte)) else {
                    preconditionFailure("no surrogate")
                }
                scalars.append(scalar)
            }
        }
        var parser = Unicode.UTF8.ForwardParser()
        var input = bytes.makeIterator()
        var offset = 0
        while true {
            switch parser.parseScalar(from: &input) {
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                if escapes.contains(scalar.value) { escape(encoded) } else { scalars.append(scalar) }
                offset += encoded.count
            case .error(let length):
                escape(bytes[offset..<offset + length])
                offset += length
            case .emptyInput: return String(scalars)
            }
        }
    }

    /// The text of a null-terminated C string.
    ///
    /// - Parameter unit: Returns the character at an index.
    package static func text(ofCString unit: (Int) -> CChar) -> String {
        var bytes: [UInt8] = []
        while true {
            let next = unit(bytes.count)
            if next == 0 { return text(of: bytes) }
            bytes.append(UInt8(bitPattern: next))
        }
    }

    package static func bytes(of text: String) -> [UInt8] {
        guard text.utf8.contains(0xF4) else { return Array(text.utf8) }
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            if escapes.contains(scalar.value) {
                bytes.append(UInt8(scalar.value - escapeBase))
            } else {
                bytes.append(contentsOf: String(scalar).utf8)
            }
        }
        return bytes
    }

    /// The bytes with a terminating zero, for system calls.
    package static func cString(of text: String) -> [CChar] {
        bytes(of: text).map { CChar(bitPattern: $0) } + [0]
    }

    // MARK: Paths

    /// The path up to the last slash; `.` without a slash, `/` for the root.
    ///
    /// Compares bytes, since a slash and a combining mark after it form one `Character`.
    package static func parent(ofPath path: String) -> String {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == bytes.startIndex ? "/" : String(path[..<slash])
    }

    /// The part after the last slash.
    package static func lastComponent(ofPath path: String) -> String {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[bytes.index(after: slash)...])
    }
}
