/// Where the fields of the section being received are gathered, so that a section becomes `HeaderFields` by one copy.
///
/// One for each session, used again for every section: HTTP/2 never interleaves two of them (RFC 9113, 4.3).
struct FieldSectionBuffer: ~Copyable {
    private var storage: UnsafeMutableRawBufferPointer
    private var used = 0
    private var count = 0

    /// The size of the section as RFC 9113, 6.5.2 counts it, fields that were not kept included.
    private var listBytes = 0
    private(set) var isExcessive = false

    private let limits: Limits

    init(limits: Limits) {
        self.limits = limits
        storage = .allocate(byteCount: 512, alignment: 1)
    }

    deinit {
        storage.deallocate()
    }

    mutating func begin() {
        used = 0
        count = 0
        listBytes = 0
        isExcessive = false
    }

    /// Keeps a field, or only counts it once the section is over its limits. `false`: far over.
    mutating func append(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) -> Bool {
        listBytes += name.count + value.count + 32
        guard listBytes <= limits.headerListBytesMax, count < limits.headerFieldsMax, !isExcessive else {
            isExcessive = true
            return listBytes <= limits.headerListBytesMax * limits.headerExcessFactor
        }
        // The prefix is written as 8 bytes, the last two of which the name overwrites.
        let needed = used + HeaderFields.prefixBytes + name.count + value.count + 2
        if needed > storage.count { grow(to: needed) }
        storage.storeBytes(
            of: HeaderFields.prefix(nameCount: name.count, valueCount: value.count), toByteOffset: used, as: UInt64.self)
        used += HeaderFields.prefixBytes
        copy(name)
        copy(value)
        count += 1
        return true
    }

    private mutating func copy(_ part: UnsafeBufferPointer<UInt8>) {
        UnsafeMutableRawBufferPointer(rebasing: storage[used...]).copyMemory(from: UnsafeRawBufferPointer(part))
        used += part.count
    }

    private mutating func grow(to needed: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(needed, storage.count * 2), alignment: 1)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<used]))
        storage.deallocate()
        storage = larger
    }

    borrowing func makeFields() -> HeaderFields {
        HeaderFields(records: UnsafeRawBufferPointer(rebasing: storage[..<used]), count: count)
    }
}
