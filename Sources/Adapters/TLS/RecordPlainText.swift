package import NIOCore

/// Divides the plain text of writes into pieces of one record each. A value.
///
/// Each record costs a header, a tag and a cipher operation, so writes are combined until a record is full or the channel
/// is flushed. Plain text is copied only if a record needs bytes of several buffers.
package struct RecordPlainText {
    /// Plain text of a full record: less than the limit of 16 KiB (RFC 8446, 5.1), so that four records with their headers
    /// and tags fit a buffer of 64 KiB.
    package static let recordBytesMax = 16_320

    /// Less than one record.
    private var waiting = ByteBuffer()

    /// Whether `waiting` was allocated here and has room for a record.
    private var isWaitingOwned = false

    package init() {}

    private var isEmpty: Bool { waiting.readableBytes == 0 }

    /// Adds plain text and passes the full records to `encrypt`. Returns `false` as soon as `encrypt` does.
    package mutating func append(_ plain: ByteBuffer, _ encrypt: (ByteBuffer) -> Bool) -> Bool {
        var plain = plain
        if !isEmpty {
            let room = Self.recordBytesMax - waiting.readableBytes
            guard let part = plain.readSlice(length: min(room, plain.readableBytes)) else { return true }
            add(part)
            if waiting.readableBytes == Self.recordBytesMax {
                guard encrypt(waiting) else { return false }
                waiting.clear()
            }
        }
        while let record = plain.readSlice(length: Self.recordBytesMax) {
            guard encrypt(record) else { return false }
        }
        guard plain.readableBytes > 0 else { return true }
        if isWaitingOwned {
            add(plain)
        } else {
            waiting = plain
        }
        return true
    }

    /// Passes the last, shorter record to `encrypt`.
    package mutating func finish(_ encrypt: (ByteBuffer) -> Bool) -> Bool {
        defer {
            waiting = ByteBuffer()
            isWaitingOwned = false
        }
        return isEmpty || encrypt(waiting)
    }

    private mutating func add(_ part: ByteBuffer) {
        if !isWaitingOwned {
            var record = ByteBufferAllocator().buffer(capacity: Self.recordBytesMax)
            record.writeImmutableBuffer(waiting)
            waiting = record
            isWaitingOwned = true
        }
        waiting.writeImmutableBuffer(part)
    }
}
