/// Fields of a response, encoded once and sent many times: as lines of HTTP/1.1, with the places of names and values for
/// HTTP/2.
package final class PreparedFields: Sendable {
    /// Where a field is in `lines`.
    struct Place: Sendable {
        let name: Range<Int>
        let value: Range<Int>

        /// The line, with its end.
        var line: Range<Int> { name.lowerBound..<value.upperBound + 2 }
    }

    /// `name: value` and CR LF for each field.
    ///
    /// Safe because the bytes are written in `init`, only read afterwards, and freed in `deinit`.
    nonisolated(unsafe) let lines: UnsafeRawBufferPointer

    let places: [Place]

    /// The memory that it uses besides the object and its array.
    package var bytes: Int { lines.count + places.count * MemoryLayout<Place>.stride }

    /// - Parameter fields: Without pseudo-header fields and without fields that are never indexed.
    package init(_ fields: [(FieldName, String)]) {
        let count = fields.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count + 4 }
        let lines = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        var end = 0
        func write(_ bytes: UnsafeRawBufferPointer) -> Range<Int> {
            UnsafeMutableRawBufferPointer(rebasing: lines[end...]).copyMemory(from: bytes)
            defer { end += bytes.count }
            return end..<end + bytes.count
        }
        var places: [Place] = []
        places.reserveCapacity(fields.count)
        for (name, value) in fields {
            precondition(!name.isNeverIndexed, "a prepared field must not be secret")
            var value = value
            let namePlace = write(UnsafeRawBufferPointer(name.utf8))
            _ = Self.separator.withUTF8Buffer { write(UnsafeRawBufferPointer($0)) }
            let valuePlace = value.withUTF8 { write(UnsafeRawBufferPointer($0)) }
            _ = Self.lineEnd.withUTF8Buffer { write(UnsafeRawBufferPointer($0)) }
            places.append(Place(name: namePlace, value: valuePlace))
        }
        self.places = places
        self.lines = UnsafeRawBufferPointer(lines)
    }

    private static let separator: StaticString = ": "
    private static let lineEnd: StaticString = "\r\n"

    deinit { lines.deallocate() }

    /// The bytes of consecutive fields.
    func lines(of fields: Range<Int>) -> UnsafeRawBufferPointer {
        guard let first = fields.first, let last = fields.last else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(rebasing: lines[places[first].line.lowerBound..<places[last].line.upperBound])
    }
}

extension HeaderFields {
    /// Copies prepared fields, after `:status`, and reserves `capacity` more bytes.
    package init(status: Int, _ prepared: PreparedFields, _ fields: Range<Int>, reservingBytes capacity: Int) {
        self.init(reservingBytes: prepared.lines.count + capacity)
        append(.status, status)
        for place in prepared.places[fields] {
            append(
                name: UnsafeRawBufferPointer(rebasing: prepared.lines[place.name]),
                UnsafeRawBufferPointer(rebasing: prepared.lines[place.value]))
        }
    }
}
