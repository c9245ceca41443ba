/// The times in which no process stored its answers and lists, in milliseconds since 1970. What readers received in these times
/// may be missing in the file.
package struct StorageGaps: Equatable {
    /// In the order of the processes.
    package private(set) var ranges: [ClosedRange<Int64>] = []

    private static let countMax = 1000

    package init() {}

    /// Adds the last gap. Above the limit, the two oldest become one, with the time between them.
    package mutating func add(_ range: ClosedRange<Int64>) {
        ranges.append(range)
        guard ranges.count > Self.countMax else { return }
        let (first, second) = (ranges[0], ranges[1])
        let both = min(first.lowerBound, second.lowerBound)...max(first.upperBound, second.upperBound)
        ranges.replaceSubrange(0...1, with: [both])
    }
}

/// The note that a process leaves in the file after it has stored all its answers and lists. The next process removes it. If the
/// note is missing, readers may have received newer answers and lists than the file has.
package struct CompleteEnd {
    /// The name of its document.
    static let name = "end"

    /// In milliseconds since 1970.
    private let time: Int64

    /// The gaps before.
    private let gaps: StorageGaps

    package init(at time: Int64, gaps: StorageGaps) {
        self.time = time
        self.gaps = gaps
    }

    /// The gaps of the process that begins now, with the time in which none ran.
    ///
    /// If the system's clock was set back, two processes have the time from now to the end of the last one. A reader that
    /// has such a moment from the last process does not have what this one receives before the same moment.
    package func gaps(until now: Int64) -> StorageGaps {
        var gaps = gaps
        if now > time + 1 {
            gaps.add(time + 1...now - 1)
        } else if now <= time {
            gaps.add(now...time)
        }
        return gaps
    }

    // MARK: Storage

    /// The bounds of the gaps, in 8 bytes each, after the version of this form.
    package var document: StoredDocument {
        var content: [UInt8] = [1]
        for bound in gaps.ranges.flatMap({ [$0.lowerBound, $0.upperBound] }) {
            for shift in stride(from: 56, through: 0, by: -8) {
                content.append(UInt8(truncatingIfNeeded: bound >> shift))
            }
        }
        return StoredDocument(name: Self.name, content: content, asOf: time)
    }

    /// `nil` for another form.
    package init?(_ document: StoredDocument) {
        let bytes = document.content.dropFirst()
        guard document.content.first == 1, bytes.count.isMultiple(of: 16) else { return nil }
        var gaps = StorageGaps()
        func bound(at index: Int) -> Int64 { bytes[index..<index + 8].reduce(0) { $0 << 8 | Int64($1) } }
        for index in stride(from: bytes.startIndex, to: bytes.endIndex, by: 16) {
            let (lower, upper) = (bound(at: index), bound(at: index + 8))
            guard lower <= upper else { return nil }
            gaps.add(lower...upper)
        }
        self.init(at: document.asOf, gaps: gaps)
    }
}
