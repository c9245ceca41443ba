/// Collects the fields of the section being received, so that one copy makes them `HeaderFields`.
///
/// One per session, reused for every section: HTTP/2 does not interleave field sections (RFC 9113, 4.3).
final class FieldSectionBuffer {
    @exclusivity(unchecked) private var storage: UnsafeMutableRawBufferPointer
    @exclusivity(unchecked) private var used = 0
    @exclusivity(unchecked) private var count = 0
    @exclusivity(unchecked) private var kinds: UInt64 = 0
    @exclusivity(unchecked) private var mayRepeat = false

    /// On a server, where the values are in `bytes`.
    @exclusivity(unchecked) private(set) var plainFields = PlainFields()

    /// The size of the section as defined by RFC 9113, 6.5.2, including fields that were not stored.
    @exclusivity(unchecked) private(set) var listBytes = 0
    @exclusivity(unchecked) private(set) var isExcessive = false

    private let limits: Limits
    private let isRequest: Bool

    /// - Parameter isRequest: Whether the sections are those of requests.
    init(limits: Limits, isRequest: Bool) {
        self.limits = limits
        self.isRequest = isRequest
        storage = .allocate(byteCount: 512, alignment: 1)
    }

    deinit {
        storage.deallocate()
    }

    func begin() {
        used = 0
        count = 0
        kinds = 0
        mayRepeat = false
        plainFields = PlainFields()
        listBytes = 0
        isExcessive = false
    }

    /// Stores a field, or only counts it once the section exceeds its limits. Returns `false` if the section exceeds them
    /// by `Limits.headerExcessFactor`.
    func append(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) -> Bool {
        listBytes += name.count + value.count + 32
        guard listBytes <= limits.headerListBytesMax, count < limits.headerFieldsMax, !isExcessive else {
            isExcessive = true
            return listBytes <= limits.headerListBytesMax * limits.headerExcessFactor
        }
        // The prefix is stored as 8 bytes; the name overwrites the last two.
        let end = used + HeaderFields.prefixBytes + name.count + value.count
        if end + 2 > storage.count { grow(to: end + 2) }
        let record = storage.baseAddress.map { $0 + used }
        let prefix = HeaderFields.prefix(nameCount: name.count, valueCount: value.count)
        record?.storeBytes(of: prefix, as: UInt64.self)
        let text = record.map { $0 + HeaderFields.prefixBytes }
        if let start = name.baseAddress { text?.copyMemory(from: start, byteCount: name.count) }
        if let start = value.baseAddress {
            (text.map { $0 + name.count })?.copyMemory(from: start, byteCount: value.count)
        }
        used = end
        count += 1
        let kind = HeaderFields.kind(of: name)
        let isPseudo = HeaderFields.isPseudo(name)
        if kinds & kind != 0, !isPseudo { mayRepeat = true }
        kinds |= kind
        if isRequest {
            let place = PlainFields.Place(start: end - value.count, count: value.count)
            if isPseudo {
                plainFields.addPseudo(name, at: place)
            } else {
                plainFields.add(name, value, at: place, isHTTP1: false)
            }
        }
        return true
    }

    private func grow(to needed: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(needed, storage.count * 2), alignment: 1)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<used]))
        storage.deallocate()
        storage = larger
    }

    /// The stored fields. Valid until the next call of `append` or `begin`.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[..<used]) }

    func makeFields() -> HeaderFields {
        HeaderFields(
            records: bytes, count: count, kinds: kinds,
            mayRepeat: mayRepeat)
    }
}
