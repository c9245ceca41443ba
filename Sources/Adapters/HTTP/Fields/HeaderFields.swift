/// A field section (RFC 9110, 6.3) in wire order, including pseudo-header fields.
///
/// All names and values are stored in one buffer, so that all fields of a request need one allocation and a prepared
/// section can be shared by many responses.
package struct HeaderFields: Sendable, Equatable {
    /// Records of name length (2 bytes; the highest bit marks a never-indexed field), value length (4 bytes), name and
    /// value. Little-endian.
    private var storage: [UInt8] = []

    /// The number of fields.
    package private(set) var count = 0

    /// A Bloom filter of the names, by length and first byte: if a name's bit is not set, the field is absent. Most
    /// lookups are for absent fields.
    private var kinds: UInt64 = 0

    /// Whether two fields have the same filter bit and therefore may have the same name. Pseudo-header fields are
    /// excluded, since the parsers reject repeated ones.
    private var mayRepeat = false

    static let prefixBytes = 6
    private static let neverIndexedBit = 0x8000

    package init() {}

    package init(reservingBytes capacity: Int) {
        storage.reserveCapacity(capacity)
    }

    /// Copies `prepared` and reserves `capacity` more bytes.
    package init(_ prepared: HeaderFields, reservingBytes capacity: Int) {
        storage.reserveCapacity(prepared.storage.count + capacity)
        storage.append(contentsOf: prepared.storage)
        count = prepared.count
        kinds = prepared.kinds
        mayRepeat = prepared.mayRepeat
    }

    /// Concatenates two sections and reserves `capacity` more bytes.
    package init(_ prepared: HeaderFields, _ more: HeaderFields, reservingBytes capacity: Int) {
        storage.reserveCapacity(prepared.storage.count + more.storage.count + capacity)
        storage.append(contentsOf: prepared.storage)
        storage.append(contentsOf: more.storage)
        count = prepared.count + more.count
        kinds = prepared.kinds | more.kinds
        mayRepeat = prepared.mayRepeat || more.mayRepeat || prepared.kinds & more.kinds != 0
    }

    /// The allocated size.
    package var bytes: Int { storage.capacity }

    /// Creates a section of constant fields, such as the fixed part of a response.
    package init(_ fields: [(FieldName, String)]) {
        for (name, value) in fields { append(name, value) }
    }

    /// Copies `count` records in the format of `storage`.
    init(records: UnsafeRawBufferPointer, count: Int, kinds: UInt64, mayRepeat: Bool) {
        storage = Array(records)
        self.count = count
        self.kinds = kinds
        self.mayRepeat = mayRepeat
    }

    /// The bit of a name in the filter `kinds`.
    static func kind(of name: UnsafeBufferPointer<UInt8>) -> UInt64 {
        guard let first = name.first else { return 1 }
        return 1 << UInt64((name.count &+ Int(first) &* 7) & 63)
    }

    static func isPseudo(_ name: UnsafeBufferPointer<UInt8>) -> Bool { name.first == UInt8(ascii: ":") }

    package mutating func append(_ name: FieldName, _ value: String) {
        append(name, value.utf8)
    }

    package mutating func append(_ name: FieldName, _ value: Int) {
        guard value >= 0 else { return append(name, String(value)) }
        DecimalDigits.withDigits(of: value) { append(name, $0) }
    }

    package mutating func append(_ name: FieldName, _ value: some Collection<UInt8>) {
        appendHead(name, valueCount: value.count)
        storage.append(contentsOf: value)
    }

    package mutating func append(_ name: FieldName, _ value: Span<UInt8>) {
        appendHead(name, valueCount: value.count)
        value.withUnsafeBufferPointer { storage.append(contentsOf: $0) }
    }

    /// Appends a field whose value has two parts.
    package mutating func append(_ name: FieldName, _ beginning: StaticString, _ rest: Span<UInt8>) {
        appendHead(name, valueCount: beginning.utf8CodeUnitCount + rest.count)
        beginning.withUTF8Buffer { storage.append(contentsOf: $0) }
        rest.withUnsafeBufferPointer { storage.append(contentsOf: $0) }
    }

    /// Appends a received field, with its name in lower case.
    mutating func append(lowercasing name: String, _ value: String) {
        var (name, value) = (name, value)
        name.withUTF8 { name in value.withUTF8 { append(lowercasing: name, $0) } }
    }

    mutating func append(lowercasing name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        guard name.contains(where: \.isASCIIUppercase) else { return append(received: name, value) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: name.count) { lower in
            for index in name.indices {
                let byte = name[index]
                lower.initializeElement(at: index, to: byte.isASCIIUppercase ? byte | 0x20 : byte)
            }
            append(received: UnsafeBufferPointer(lower), value)
        }
    }

    private mutating func append(received name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        let isNeverIndexed = name.elementsEqual(FieldName.authorization.utf8)
        appendHead(name, isNeverIndexed: isNeverIndexed, valueCount: value.count)
        storage.append(contentsOf: value)
    }

    /// Appends a field that may be indexed. Its name must be in lower case.
    mutating func append(name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        name.withMemoryRebound(to: UInt8.self) { appendHead($0, isNeverIndexed: false, valueCount: value.count) }
        storage.append(contentsOf: value)
    }

    private mutating func appendHead(_ name: FieldName, valueCount: Int) {
        appendHead(name.utf8, isNeverIndexed: name.isNeverIndexed, valueCount: valueCount)
    }

    private mutating func appendHead(
        _ nameBytes: UnsafeBufferPointer<UInt8>, isNeverIndexed: Bool, valueCount: Int
    ) {
        precondition(nameBytes.count < Self.neverIndexedBit && valueCount <= Int(UInt32.max), "field too long")
        let marked = nameBytes.count | (isNeverIndexed ? Self.neverIndexedBit : 0)
        withUnsafeBytes(of: Self.prefix(nameCount: marked, valueCount: valueCount)) {
            storage.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[..<Self.prefixBytes]))
        }
        storage.append(contentsOf: nameBytes)
        let kind = Self.kind(of: nameBytes)
        if kinds & kind != 0, !Self.isPseudo(nameBytes) { mayRepeat = true }
        kinds |= kind
        count += 1
    }

    /// The first 6 bytes of a record, in an integer whose two highest bytes are unused.
    static func prefix(nameCount: Int, valueCount: Int) -> UInt64 {
        (UInt64(nameCount) | UInt64(valueCount) << 16).littleEndian
    }

    /// The value of `:status` if it is the first field, otherwise 0.
    var leadingStatus: Int {
        // A name of 7 bytes and a value of 3: responses have no other pseudo-header field.
        let value = Self.prefixBytes + 7
        guard storage.count >= value + 3, storage[0] == 7, storage[2] == 3 else { return 0 }
        return (value..<value + 3).reduce(0) { $0 &* 10 &+ Int(storage[$1]) &- 0x30 }
    }

    /// The value of the first field with this name.
    package subscript(_ name: FieldName) -> ArraySlice<UInt8>? {
        range(of: name).map { storage[$0] }
    }

    /// The range of the value of the first field with this name, for `value(at:)`.
    func range(of name: FieldName) -> Range<Int>? {
        guard kinds & Self.kind(of: name.utf8) != 0 else { return nil }
        let wanted = UnsafeRawBufferPointer(name.utf8)
        return storage.withUnsafeBytes { bytes in
            for record in RecordSequence(bytes: bytes)
            where record.name.count == wanted.count
                && UnsafeRawBufferPointer(rebasing: bytes[record.name]).elementsEqual(wanted)
            {
                return Optional(record.value)
            }
            return nil
        }
    }

    func value(at range: Range<Int>) -> ArraySlice<UInt8> { storage[range] }

    /// The ranges of the values of the first fields with these names, found in one pass.
    func ranges<let namesCount: Int>(
        of names: InlineArray<namesCount, FieldName>
    ) -> InlineArray<namesCount, Range<Int>?> {
        var ranges = InlineArray<namesCount, Range<Int>?>(repeating: nil)
        storage.withUnsafeBytes { bytes in
            for record in RecordSequence(bytes: bytes) {
                let name = UnsafeRawBufferPointer(rebasing: bytes[record.name])
                for index in 0..<namesCount where ranges[index] == nil {
                    let wanted = names[index].utf8
                    if wanted.count == name.count, name.elementsEqual(UnsafeRawBufferPointer(wanted)) {
                        ranges[index] = record.value
                        break
                    }
                }
            }
        }
        return ranges
    }

    /// The first of `names` that occurs more than once.
    func firstRepeated(of names: [FieldName]) -> FieldName? {
        guard mayRepeat else { return nil }
        return names.first { name in
            var fields = 0
            forEach { other, _ in if other.elementsEqual(name.utf8) { fields += 1 } }
            return fields > 1
        }
    }

    /// The value of the first field with this name, as text.
    package func string(_ name: FieldName) -> String? {
        self[name].map { String(decoding: $0, as: UTF8.self) }
    }

    /// The values of all fields with this name, joined by commas (RFC 9110, 5.3); `nil` if there is none.
    package func list(_ name: FieldName) -> String? {
        guard range(of: name) != nil else { return nil }
        var list: String?
        forEach { other, value in
            guard other.elementsEqual(name.utf8) else { return }
            let text = String(decoding: value, as: UTF8.self)
            list = list.map { $0 + "," + text } ?? text
        }
        return list
    }

    /// The fields with these names whose values are visible ASCII and blanks, and not too long.
    package func only(_ names: [FieldName], valueBytesMax: Int) -> HeaderFields {
        var fields = HeaderFields()
        forEach { other, value in
            guard let name = names.first(where: { other.elementsEqual($0.utf8) }), value.count <= valueBytesMax,
                value.allSatisfy({ $0.isASCIIVisible || $0 == UInt8(ascii: " ") })
            else { return }
            fields.append(name, value)
        }
        return fields
    }

    /// Whether every list member of the fields with this name equals `member`, ignoring case.
    func list(_ name: FieldName, hasOnly member: StaticString) -> Bool {
        var hasOnlyMember = true
        forEach { other, value in
            guard other.elementsEqual(name.utf8) else { return }
            for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                let text = part.drop(while: \.isASCIIWhitespace)
                let end = text.lastIndex { !$0.isASCIIWhitespace }.map { $0 + 1 } ?? text.startIndex
                if !text[..<end].equalsIgnoringCase(member) { hasOnlyMember = false }
            }
        }
        return hasOnlyMember
    }

    package func forEach(_ body: (_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) throws -> Void) rethrows {
        let records = storage.withUnsafeBytes { Array(RecordSequence(bytes: $0)) }
        for record in records { try body(storage[record.name], storage[record.value]) }
    }
}

extension HeaderFields {
    /// Calls `body` with the location of each name and value. The pointers are valid only during the call.
    ///
    /// Used only by `Session`, which passes them to nghttp2 to copy.
    func withUnsafeFields<Result>(
        _ body: (_ base: UnsafeRawBufferPointer, _ records: RecordSequence) throws -> Result
    ) rethrows -> Result {
        try storage.withUnsafeBytes { try body($0, RecordSequence(bytes: $0)) }
    }

    /// The records in `bytes`, which must outlive the sequence.
    struct RecordSequence: Sequence, IteratorProtocol {
        let bytes: UnsafeRawBufferPointer
        var offset = 0

        init(bytes: UnsafeRawBufferPointer) {
            self.bytes = bytes
        }

        mutating func next() -> (name: Range<Int>, value: Range<Int>, isNeverIndexed: Bool)? {
            guard offset < bytes.count else { return nil }
            let marked = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
            let nameCount = marked & ~neverIndexedBit
            let valueCount = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt32.self)))
            let name = offset + prefixBytes..<offset + prefixBytes + nameCount
            offset = name.upperBound + valueCount
            return (name, name.upperBound..<offset, marked & neverIndexedBit != 0)
        }
    }
}
