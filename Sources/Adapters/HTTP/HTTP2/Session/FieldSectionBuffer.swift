import NIOCore

/// Collects the fields of the section being received, so that one copy makes them `HeaderFields`.
///
/// All sessions of an event loop share it, since an idle connection needs none. A session uses it while it receives, which
/// does not end in the middle of another session's read. A section that continues in the next read is moved to the session.
/// HTTP/2 does not interleave the field sections of a connection (RFC 9113, 4.3).
final class FieldSectionBuffer {
    /// What is known of a section besides its bytes.
    fileprivate struct Section {
        var used = 0
        var count = 0
        var kinds: UInt64 = 0
        var mayRepeat = false
        var plainFields = PlainFields()
        var listBytes = 0
        var isExcessive = false
        var isEnded = false

        let listBytesMax: Int
        let excessBytesMax: Int
        let fieldsMax: Int
        let isRequest: Bool

        init(_ limits: Limits, isRequest: Bool) {
            listBytesMax = limits.headerListBytesMax
            excessBytesMax = limits.headerListBytesMax * limits.headerExcessFactor
            fieldsMax = limits.headerFieldsMax
            self.isRequest = isRequest
        }
    }

    /// A section whose end was not received.
    final class Unfinished {
        fileprivate let section: Section
        fileprivate let bytes: [UInt8]

        fileprivate init(_ section: Section, _ bytes: UnsafeRawBufferPointer) {
            self.section = section
            self.bytes = Array(bytes)
        }
    }

    @exclusivity(unchecked) private var storage: UnsafeMutableRawBufferPointer
    @exclusivity(unchecked) private var section: Section
    @exclusivity(unchecked) private var isInUse = false

    private static let buffers = LoopLocal { _ in FieldSectionBuffer() }

    /// The buffer of `eventLoop`. Must be called on that loop.
    static func of(_ eventLoop: any EventLoop) -> FieldSectionBuffer { buffers.of(eventLoop) }

    private init() {
        storage = .allocate(byteCount: 512, alignment: 1)
        section = Self.none
    }

    deinit {
        storage.deallocate()
    }

    private static let none: Section = {
        var section = Section(Limits(), isRequest: false)
        section.isEnded = true
        return section
    }()

    // MARK: Reads

    /// Begins a read of a session.
    ///
    /// - Parameter unfinished: The section that the session's last read has not completed.
    func beginRead(_ unfinished: Unfinished?) {
        // Otherwise the fields of two connections could be mixed up.
        precondition(!isInUse, "a session receives while another one does")
        isInUse = true
        guard let unfinished else { return }
        if unfinished.bytes.count > storage.count { grow(to: unfinished.bytes.count) }
        storage.copyBytes(from: unfinished.bytes)
        section = unfinished.section
    }

    /// Ends a read. Returns the section that it has not completed.
    func endRead() -> Unfinished? {
        isInUse = false
        guard !section.isEnded else { return nil }
        defer { section.isEnded = true }
        return Unfinished(section, bytes)
    }

    // MARK: Sections

    /// - Parameter isRequest: Whether the section is that of a request, or trailers of one.
    @inline(__always)
    func begin(_ limits: Limits, isRequest: Bool) {
        section = Section(limits, isRequest: isRequest)
    }

    /// Records that the section is complete. It can be read until the next one begins.
    func end() {
        section.isEnded = true
    }

    /// On a server, where the values are in `bytes`.
    var plainFields: PlainFields { section.plainFields }

    /// The size of the section as defined by RFC 9113, 6.5.2, including fields that were not stored.
    var listBytes: Int { section.listBytes }

    var isExcessive: Bool { section.isExcessive }

    /// Stores a field, or only counts it once the section exceeds its limits. Returns `false` if the section exceeds them
    /// by `Limits.headerExcessFactor`.
    func append(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) -> Bool {
        // No sum overflows, since these are sizes of memory.
        let textCount = name.count &+ value.count
        section.listBytes &+= textCount &+ 32
        guard section.listBytes <= section.listBytesMax, section.count < section.fieldsMax, !section.isExcessive else {
            section.isExcessive = true
            return section.listBytes <= section.excessBytesMax
        }
        // The prefix is stored as 8 bytes; the name overwrites the last two.
        let end = section.used &+ HeaderFields.prefixBytes &+ textCount
        if end &+ 2 > storage.count { grow(to: end &+ 2) }
        if let start = storage.baseAddress {
            let record = start + section.used
            let prefix = HeaderFields.prefix(nameCount: name.count, valueCount: value.count)
            record.storeBytes(of: prefix, as: UInt64.self)
            let text = record + HeaderFields.prefixBytes
            if let start = name.baseAddress { text.copyMemory(from: start, byteCount: name.count) }
            if let start = value.baseAddress { (text + name.count).copyMemory(from: start, byteCount: value.count) }
        }
        section.used = end
        section.count &+= 1
        let kind = HeaderFields.kind(of: name)
        let isPseudo = HeaderFields.isPseudo(name)
        if section.kinds & kind != 0, !isPseudo { section.mayRepeat = true }
        section.kinds |= kind
        if section.isRequest {
            let place = PlainFields.Place(start: end &- value.count, count: value.count)
            if isPseudo {
                section.plainFields.addPseudo(name, at: place)
            } else {
                section.plainFields.add(name, value, at: place, isHTTP1: false)
            }
        }
        return true
    }

    private func grow(to needed: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(needed, storage.count * 2), alignment: 1)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<section.used]))
        storage.deallocate()
        storage = larger
    }

    /// The stored fields. Valid until the next call of `append` or `begin`.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[..<section.used]) }

    func makeFields() -> HeaderFields {
        HeaderFields(
            records: bytes, count: section.count, kinds: section.kinds, mayRepeat: section.mayRepeat)
    }
}
