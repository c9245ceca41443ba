/// Text for file names, arguments and environment variables, whose bytes need not be UTF-8 (POSIX).
///
/// Bytes that are UTF-8 are decoded. Each other byte becomes one private-use character, U+10FF80 to U+10FFFF; these
/// characters themselves are decoded byte by byte as well. So each sequence of bytes has its own text, and `bytes(of:)`
/// restores it. Python uses lone surrogates for the same purpose (PEP 383), which Swift strings cannot hold.
package enum SystemText {
    private static let escapes: ClosedRange<UInt32> = 0x10FF80...0x10FFFF
    private static let escapeBase: UInt32 = 0x10FF00

    package static func text(of bytes: [UInt8]) -> String {
        // A UTF-8 sequence of an escape character begins with this byte.
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

    /// The text of a C string.
    ///
    /// - Parameter unit: Gives its characters, the terminating zero included.
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

    /// The bytes with a terminating zero, for calls to the system.
    package static func cString(of text: String) -> [CChar] {
        bytes(of: text).map { CChar(bitPattern: $0) } + [0]
    }

    // MARK: Paths

    /// All up to the last slash; `.` where there is no slash, `/` for the root.
    ///
    /// Compares bytes: a slash and a combining mark behind it are one `Character`.
    package static func parent(ofPath path: String) -> String {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == bytes.startIndex ? "/" : String(path[..<slash])
    }

    /// All behind the last slash.
    package static func lastComponent(ofPath path: String) -> String {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[bytes.index(after: slash)...])
    }
}
