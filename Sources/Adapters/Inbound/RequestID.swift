import Synchronization

/// What ties an answer to its log lines: the caller's own `x-request-id` if it is one we can repeat, else a new one.
struct RequestID: Sendable {
    let text: ArraySlice<UInt8>

    /// Longer ids have no use but to fill logs.
    private static let lengthMax = 128

    private static let seed = UInt64.random(in: .min ... .max)
    private static let counter = Atomic<UInt64>(0)

    private init(text: ArraySlice<UInt8>) {
        self.text = text
    }

    init(of request: HTTPRequest) {
        if let sent = request.fields[.requestID], (1...Self.lengthMax).contains(sent.count),
            sent.allSatisfy(Self.isAllowed)
        {
            self.init(text: sent)
        } else {
            self.init()
        }
    }

    /// A new one: a counter, mixed so that neighbours look nothing alike, and so that replicas do not meet.
    init() {
        let number = Self.counter.add(1, ordering: .relaxed).newValue
        self.init(text: Self.hexadecimal(Self.mix(number &* 0x9E37_79B9_7F4A_7C15 &+ Self.seed))[...])
    }

    /// The finalizer of SplitMix64: a bijection, so that no two numbers give the same id.
    private static func mix(_ number: UInt64) -> UInt64 {
        var mixed = number
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    private static func hexadecimal(_ number: UInt64) -> [UInt8] {
        var digits: [UInt8] = []
        digits.reserveCapacity(16)
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(shift)) & 0xF
            digits.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
        return digits
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default:
            false
        }
    }
}
