import CHTTP2
import NIOCore

/// The memory in which outbound field sections are put together for nghttp2, which copies what it needs.
///
/// All sessions of an event loop share it. It would add 5 KB to the memory of each idle connection.
final class OutgoingSection {
    static let fieldsMax = 128

    /// Freed in `deinit`.
    let fields: UnsafeMutablePointer<nghttp2_nv>

    /// For values that are new in a prepared response. Freed in `deinit`.
    let values: UnsafeMutableRawPointer

    /// The values of `Age`, `x-request-id` and `Date`.
    private static let valueBytes = DecimalDigits.bytesMax + RequestID.lengthMax + HTTPDate.bytesCount

    private static let sections = LoopLocal { _ in OutgoingSection() }

    /// The memory of `eventLoop`. Must be called on that loop.
    static func of(_ eventLoop: any EventLoop) -> OutgoingSection { sections.of(eventLoop) }

    private init() {
        fields = .allocate(capacity: Self.fieldsMax)
        values = .allocate(byteCount: Self.valueBytes, alignment: 1)
    }

    deinit {
        fields.deallocate()
        values.deallocate()
    }
}
