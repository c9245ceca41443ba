/// The records of the accounts of a list, in the order of the list. They are stored in one buffer, with 4 bytes for each
/// record besides its text.
package struct AccountRecords: Sendable {
    private let text: [UInt8]

    /// The end offset of each record in `text`.
    private let ends: [UInt32]

    private init(text: [UInt8], ends: [UInt32]) {
        self.text = text
        self.ends = ends
    }

    package var count: Int { ends.count }

    /// The size of all records.
    package var bytes: Int { text.count }

    package subscript(_ index: Int) -> SourceDocument {
        SourceDocument(text: Array(text[(index == 0 ? 0 : Int(ends[index - 1]))..<Int(ends[index])]))
    }

    /// Collects the records of a listing in any order, duplicates included, while their distinct ones fit a limit.
    struct Builder: Sendable {
        private struct Place: Sendable {
            let page: UInt32
            let start: UInt32
            let end: UInt32
        }

        private let bytesMax: Int

        /// The text of the records of each page of the listing.
        private var pages: [[UInt8]] = []
        private var places: [Place] = []
        private(set) var bytes = 0

        /// - Parameter bytesMax: The limit for the records without duplicates, at most 2 GiB.
        init(bytesMax: Int) {
            self.bytesMax = min(bytesMax, 1 << 31)
        }

        /// Duplicates may double the size before they are removed, so that they are removed rarely.
        var isDueForCompaction: Bool { bytes > 2 * bytesMax }

        mutating func add(page records: [SourceDocument]) {
            var text: [UInt8] = []
            text.reserveCapacity(records.reduce(0) { $0 + $1.text.count })
            for record in records {
                let start = UInt32(text.count)
                text += record.text
                places.append(Place(page: UInt32(pages.count), start: start, end: UInt32(text.count)))
            }
            bytes += text.count
            pages.append(text)
        }

        /// Keeps the records with these indices, in this order.
        ///
        /// - Returns: Whether they fit the limit. Otherwise the builder is of no further use.
        mutating func compact(to order: [UInt32]) -> Bool {
            guard let records = records(in: order) else { return false }
            places = records.ends.indices.map { index in
                Place(page: 0, start: index == 0 ? 0 : records.ends[index - 1], end: records.ends[index])
            }
            pages = [records.text]
            bytes = records.text.count
            return true
        }

        /// The records with these indices, in this order; `nil` if they exceed the limit.
        func records(in order: [UInt32]) -> AccountRecords? {
            let bytes = order.reduce(0) { sum, index in
                sum + Int(places[Int(index)].end - places[Int(index)].start)
            }
            guard bytes <= bytesMax else { return nil }
            var text: [UInt8] = []
            text.reserveCapacity(bytes)
            var ends: [UInt32] = []
            ends.reserveCapacity(order.count)
            for index in order {
                let place = places[Int(index)]
                text += pages[Int(place.page)][Int(place.start)..<Int(place.end)]
                ends.append(UInt32(text.count))
            }
            return AccountRecords(text: text, ends: ends)
        }
    }
}
