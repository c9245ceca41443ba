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
        var text: [UInt8] = []
        var places: [Place] = []
        for (name, value) in fields {
            precondition(!name.isNeverIndexed, "a prepared field must not be secret")
            let start = text.count
            text += name.utf8
            text += ": ".utf8
            let valueStart = text.count
            text += value.utf8
            places.append(Place(name: start..<start + name.utf8.count, value: valueStart..<text.count))
            text += "\r\n".utf8
        }
        self.places = places
        lines = text.withUnsafeBytes { text in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
            copy.copyMemory(from: text)
            return UnsafeRawBufferPointer(copy)
        }
    }

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
