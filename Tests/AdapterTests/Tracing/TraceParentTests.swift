import Adapters
import Testing

private let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

@Suite("Trace context fields")
struct TraceParentTests {
    @Test("traceparent: a parsed field is written unchanged")
    func read() throws {
        let parent = try #require(TraceParent(good.utf8))
        #expect(parent.text == good && parent.isSampled)
        #expect(parent.traceID.text == "4bf92f3577b34da6a3ce929d0e0e4736" && parent.spanIDText == "00f067aa0ba902b7")
        let unsampled = try #require(TraceParent((good.dropLast(2) + "00").utf8))
        #expect(!unsampled.isSampled)
        // Unknown flags, and what a later version appends, are ignored.
        let later = try #require(TraceParent(("cc" + good.dropFirst(2).dropLast(2) + "ff-what-comes").utf8))
        #expect(later.text == good)
    }

    @Test(
        "traceparent: an invalid field is refused",
        arguments: [
            "", "00", good + "-", good + "0", "ff" + good.dropFirst(2), "cc" + good.dropFirst(2) + "x",
            good.uppercased(), good.replacing("-", with: "_"), good.replacing("4bf92f35", with: "4bf92f3g"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", " " + good,
        ])
    func refused(text: String) {
        #expect(TraceParent(text.utf8) == nil)
    }

    @Test("traceparent: no truncation and no changed byte crashes the parser")
    func everyByte() {
        let bytes = Array(good.utf8)
        for count in 0..<bytes.count { #expect(TraceParent(bytes.prefix(count)) == nil) }
        for place in bytes.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = bytes
                changed[place] = byte
                guard let parent = TraceParent(changed) else { continue }
                // Each accepted field can be written and parsed again.
                #expect(TraceParent(parent.text.utf8) == parent)
            }
        }
    }

    @Test(
        "tracestate: a valid field is propagated, an invalid one is dropped",
        arguments: [
            ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true), ("a=1, b=2", true), ("a=1,,b=2", true),
            ("0@v=x y", true), ("", false), ("a", false), ("A=1", false), ("a=b=c", false), ("a=\u{7F}", false),
            ("ä=1", false), (String(repeating: "a=1,", count: 32) + "b=2", false),
            ("a=" + String(repeating: "b", count: 511), false),
        ])
    func state(text: String, isGood: Bool) {
        #expect((TraceState(text)?.text == text) == isGood)
    }
}
