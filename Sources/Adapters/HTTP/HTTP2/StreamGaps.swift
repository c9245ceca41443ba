/// The stream identifiers a client has passed over, which it can never use again (RFC 9113, 5.1.1).
///
/// nghttp2 takes a HEADERS frame on one of them for a late one and ignores it. Honest clients pass none over, so the last
/// few gaps are all there is to remember.
package struct StreamGaps {
    private var highest: Int32 = -1
    private var gaps: [ClosedRange<Int32>] = []
    private static let gapsMax = 32

    package init() {}

    /// Whether a field section may begin on a stream. Those of the server, and trailers, are none of its business.
    package mutating func mayBegin(_ id: Int32) -> Bool {
        guard id > 0, id % 2 == 1 else { return true }
        guard id > highest else { return !gaps.contains { $0.contains(id) } }
        if id > highest + 2 {
            if gaps.count == Self.gapsMax { gaps.removeFirst() }
            gaps.append(highest + 2...id - 2)
        }
        highest = id
        return true
    }
}
