/// Which accounts of a list an export has looked for among the answers of other replicas. A few reads of many accounts each are
/// in flight at a time.
struct SharedReads {
    private static let inFlightMax = 4

    /// The accounts before this one were read, from the first one that was missing on.
    private var end = 0
    private var inFlight: [Range<Int>] = []

    /// The account that the export needs next.
    private var next = 0

    /// Whether the export waits for the answers of the account that it needs next.
    var isAwaited: Bool { inFlight.contains { $0.contains(next) } }

    /// Begins another read. Call again until it returns `nil`.
    ///
    /// - Parameters:
    ///   - start: The account that is missing now.
    ///   - listEnd: The end of the accounts of the export.
    mutating func begin(from start: Int, end listEnd: Int) -> Range<Int>? {
        next = start
        // The store was read for this account, and has no answer.
        guard start >= end || isAwaited else { return nil }
        end = max(end, start)
        guard inFlight.count < Self.inFlightMax, end < listEnd else { return nil }
        let range = end..<min(end + BillingCache.sharedReadsMax, listEnd)
        inFlight.append(range)
        end = range.upperBound
        return range
    }

    mutating func ended(_ range: Range<Int>) { inFlight.removeAll { $0 == range } }
}
