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

    /// Writes fields, one after the other.
    package struct Writer {
        fileprivate var text: [UInt8] = []
        fileprivate var places: [Place] = []

        fileprivate init() {
            text.reserveCapacity(PreparedFields.usualBytes)
            places.reserveCapacity(PreparedFields.usualCount)
        }

        package mutating func field(_ name: FieldName, _ value: StaticString) {
            let start = begin(name)
            value.withUTF8Buffer { text.append(contentsOf: $0) }
            end(name, start)
        }

        package mutating func field(_ name: FieldName, _ value: Span<UInt8>) {
            let start = begin(name)
            value.withUnsafeBufferPointer { text.append(contentsOf: $0) }
            end(name, start)
        }

        /// - Parameter number: Not negative.
        package mutating func field(_ name: FieldName, _ beginning: StaticString, _ number: Int) {
            let start = begin(name)
            beginning.withUTF8Buffer { text.append(contentsOf: $0) }
            DecimalDigits.withDigits(of: number) { digits in
                digits.withUnsafeBufferPointer { text.append(contentsOf: $0) }
            }
            end(name, start)
        }

        private mutating func begin(_ name: FieldName) -> Int {
            precondition(!name.isNeverIndexed, "a prepared field must not be secret")
            defer {
                text.append(contentsOf: name.utf8)
                text.append(UInt8(ascii: ":"))
                text.append(UInt8(ascii: " "))
            }
            return text.count
        }

        private mutating func end(_ name: FieldName, _ start: Int) {
            let nameEnd = start + name.utf8.count
            places.append(Place(name: start..<nameEnd, value: nameEnd + 2..<text.count))
            text.append(UInt8(ascii: "\r"))
            text.append(UInt8(ascii: "\n"))
        }
    }

    /// The size and number of the fields of most answers.
    private static let usualBytes = 320
    private static let usualCount = 8

    /// - Parameter write: Writes no pseudo-header fields and no fields that are never indexed.
    package init(_ write: (inout Writer) -> Void) {
        var writer = Writer()
        write(&writer)
        places = writer.places
        lines = writer.text.withUnsafeBytes { text in
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
