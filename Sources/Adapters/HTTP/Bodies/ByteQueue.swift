import DequeModule
import NIOCore

/// A queue of bytes that is made of buffers.
///
/// Large buffers are queued by reference: the cached lines of a stream are never copied here. Small buffers are copied to
/// the end of the queue, because each buffer adds about as much work to a write as a copy of `referencedBytesMin` bytes.
struct ByteQueue {
    /// The size from which a buffer is queued by reference.
    static let referencedBytesMin = 2048

    /// The size to which small buffers are combined.
    private static let combinedBytesMax = 16_384

    /// Most bodies have one buffer, which needs no allocation here.
    private var first = ByteBuffer()
    private var others = Deque<ByteBuffer>()

    /// Whether the last buffer combines small ones, and may grow.
    private var isLastCombined = false

    /// The number of bytes in the queue. A buffer counts by its readable bytes, also if it shares a larger storage.
    private(set) var count = 0

    mutating func append(_ bytes: ByteBuffer) {
        let added = bytes.readableBytes
        guard added > 0 else { return }
        defer { count += added }
        if count == 0 {
            first = bytes
            isLastCombined = false
        } else if added >= Self.referencedBytesMin {
            others.append(bytes)
            isLastCombined = false
        } else if isLastCombined, (others.last ?? first).readableBytes + added <= Self.combinedBytesMax {
            if others.isEmpty {
                first.writeImmutableBuffer(bytes)
            } else {
                others[others.count - 1].writeImmutableBuffer(bytes)
            }
        } else {
            var combined = ByteBufferAllocator().buffer(capacity: 2 * Self.referencedBytesMin)
            combined.writeImmutableBuffer(bytes)
            others.append(combined)
            isLastCombined = true
        }
    }

    /// Removes the first buffer of the queue, or its first `limit` bytes. Copies nothing.
    mutating func removeFirst(limit: Int) -> ByteBuffer {
        if first.readableBytes > limit, let bytes = first.readSlice(length: limit) {
            count -= limit
            return bytes
        }
        let bytes = first
        first = others.popFirst() ?? ByteBuffer()
        count -= bytes.readableBytes
        return bytes
    }

    /// Removes the only buffer, if it has this size.
    mutating func removeOnly(size: Int) -> ByteBuffer? {
        guard count == size, first.readableBytes == size else { return nil }
        count = 0
        var only = ByteBuffer()
        swap(&only, &first)
        return only
    }

    mutating func removeAll() {
        self = ByteQueue()
    }
}
