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

    // MARK: Storage

    /// The size of `append(packedTo:)` in bytes.
    var packedSize: Int { ends.count * 4 + text.count }

    /// Appends the records in a form for storage: the length of each in 4 bytes, and the text of all.
    func append(packedTo bytes: inout [UInt8]) {
        bytes.reserveCapacity(bytes.count + packedSize)
        var start: UInt32 = 0
        for end in ends {
            for shift: UInt32 in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: (end - start) >> shift)) }
            start = end
        }
        bytes += text
    }

    /// Reads the form of `append(packedTo:)` from the beginning of `bytes`, and removes it there.
    ///
    /// - Returns: `nil` unless there are that many records.
    init?(unpackingFrom bytes: inout ArraySlice<UInt8>, count: Int) {
        guard bytes.count / 4 >= count else { return nil }
        var ends: [UInt32] = []
        ends.reserveCapacity(count)
        var end = 0
        var place = bytes.startIndex
        for _ in 0..<count {
            let length = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
            end += length
            guard end <= bytes.endIndex - place else { return nil }
            ends.append(UInt32(end))
            place += 4
        }
        guard end <= bytes.endIndex - place else { return nil }
        self.init(text: Array(bytes[place..<place + end]), ends: ends)
        bytes = bytes[(place + end)...]
    }

    /// Collects the records of a listing, the latest one of each account, while they fit a limit.
    struct Builder: Sendable {
        private struct Place: Sendable {
            let page: UInt32
            let start: UInt32
            let end: UInt32

            var count: Int { Int(end - start) }
        }

        private let bytesMax: Int

        /// The text of the records of each page of the listing.
        private var pages: [[UInt8]] = []

        /// The latest record of each account, by its index.
        private var places: [Place] = []

        /// The size of the latest records.
        private var bytes = 0

        /// The size of the records that later ones have replaced.
        private var replacedBytes = 0

        /// - Parameter bytesMax: The limit for the records, at most 2 GiB.
        init(bytesMax: Int) {
            self.bytesMax = min(bytesMax, 1 << 31)
        }

        /// Adds the records of a page.
        ///
        /// - Parameter records: With the index of the account: that of an account with a record, or the next one.
        /// - Returns: Whether the records fit the limit. Otherwise the builder is of no further use.
        mutating func add(page records: [(index: Int, record: SourceDocument)]) -> Bool {
            var text: [UInt8] = []
            text.reserveCapacity(records.reduce(0) { $0 + $1.record.text.count })
            for (index, record) in records {
                let start = UInt32(text.count)
                text += record.text
                let place = Place(page: UInt32(pages.count), start: start, end: UInt32(text.count))
                bytes += place.count
                if index == places.count {
                    places.append(place)
                } else {
                    bytes -= places[index].count
                    replacedBytes += places[index].count
                    places[index] = place
                }
            }
            pages.append(text)
            guard bytes <= bytesMax else { return false }
            if replacedBytes > bytesMax { compact() }
            return true
        }

        /// Removes the records that later ones have replaced.
        private mutating func compact() {
            guard let records = records(in: places.indices.map { UInt32($0) }) else { return }
            places = records.ends.indices.map { index in
                Place(page: 0, start: index == 0 ? 0 : records.ends[index - 1], end: records.ends[index])
            }
            pages = [records.text]
            replacedBytes = 0
        }

        /// The records with these indices, in this order; `nil` if they exceed the limit.
        func records(in order: [UInt32]) -> AccountRecords? {
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
