import NIOCore
import Synchronization

/// Identifies a request in its answer and its log lines: the caller's `x-request-id` if it is acceptable, else a new id.
package struct RequestID: Sendable {
    private enum Origin {
        case sent([UInt8])
        /// Written as 16 hexadecimal digits.
        case made(UInt64)
    }

    private let origin: Origin

    /// Longer ids would only fill the logs.
    static let lengthMax = 128

    private static let seed = UInt64.random(in: .min ... .max)
    private static let counter = Atomic<UInt64>(0)

    init(of request: borrowing HTTPRequest) {
        self.init(sent: request.fields[.requestID])
    }

    init(sent: ArraySlice<UInt8>?) {
        if let sent, (1...Self.lengthMax).contains(sent.count),
            sent.allSatisfy(Self.isAllowed)
        {
            // A copy, since a slice would keep all fields of the request in memory.
            origin = .sent(Array(sent))
        } else {
            origin = .made(Self.next())
        }
    }

    /// A new id: a counter with a random offset for each process, mixed so that consecutive ids differ in all digits.
    private static func next() -> UInt64 {
        let number = counter.add(1, ordering: .relaxed).newValue
        return mix(number &* 0x9E37_79B9_7F4A_7C15 &+ seed)
    }

    var count: Int {
        switch origin {
        case .sent(let text): text.count
        case .made: 16
        }
    }

    /// A uniformly distributed number below 65,536, for sampling.
    var sampleHash: Int {
        switch origin {
        case .sent(let text):
            // FNV-1a, since ids that callers choose are not uniformly distributed.
            Int(text.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } >> 48)
        case .made(let number): Int(number >> 48)
        }
    }

    /// Writes it to the start of a buffer with room for `lengthMax` bytes. Returns its length.
    func write(to buffer: UnsafeMutableRawPointer) -> Int {
        switch origin {
        case .sent(let text):
            text.withUnsafeBytes { bytes in
                if let start = bytes.baseAddress { buffer.copyMemory(from: start, byteCount: bytes.count) }
            }
        case .made(let number): buffer.storeBytes(of: Self.hexadecimal(number), as: InlineArray<16, UInt8>.self)
        }
        return count
    }

    func withBytes<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        switch origin {
        case .sent(let text): return body(text.span)
        case .made(let number):
            let digits = Self.hexadecimal(number)
            return body(digits.span)
        }
    }

    func append(to fields: inout HeaderFields) {
        switch origin {
        case .sent(let text): fields.append(.requestID, text)
        case .made(let number):
            let digits = Self.hexadecimal(number)
            fields.append(.requestID, digits.span)
        }
    }

    func append(to buffer: inout ByteBuffer) {
        switch origin {
        case .sent(let text): buffer.writeBytes(text)
        case .made(let number):
            let digits = Self.hexadecimal(number)
            buffer.writeBytes(digits.span.bytes)
        }
    }

    var text: String {
        switch origin {
        case .sent(let text): return String(decoding: text, as: UTF8.self)
        case .made(let number):
            let digits = Self.hexadecimal(number)
            return String(decoding: (0..<16).map { digits[$0] }, as: UTF8.self)
        }
    }

    /// The finalizer of SplitMix64. It is a bijection, so different numbers give different ids.
    private static func mix(_ number: UInt64) -> UInt64 {
        var mixed = number
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    private static func hexadecimal(_ number: UInt64) -> InlineArray<16, UInt8> {
        InlineArray { index in
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * index)) & 0xF
            return digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: byte.isASCIILetterOrDigit
        }
    }
}
