/// The stream identifiers that a client has skipped and must not use any more (RFC 9113, 5.1.1).
///
/// nghttp2 ignores HEADERS on such a stream instead of reporting an error. Well-behaved clients skip none, so remembering
/// the last few gaps is enough.
package struct StreamGaps {
    private var highest: Int32 = -1
    private var gaps: [ClosedRange<Int32>] = []
    private static let gapsMax = 32

    package init() {}

    /// Whether HEADERS may open or continue this stream. Always `true` for server-initiated streams and for trailers.
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
