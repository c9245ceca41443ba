import NIOCore

/// Memory for the output of the connections of one event loop.
///
/// A connection borrows it from its first response until its flush. The socket usually takes all bytes then, and the next
/// connection uses the same memory: neither a response nor an idle connection needs an allocation.
final class OutputBuffer {
    @exclusivity(unchecked) private var spare: ByteBuffer?

    /// Larger buffers are freed.
    private static let capacityMax = 131_072
    private static let capacityMin = 16_384

    private static let buffers = LoopLocal { _ in OutputBuffer() }

    /// The buffer of `eventLoop`. Must be called on that loop.
    static func of(_ eventLoop: any EventLoop) -> OutputBuffer { buffers.of(eventLoop) }

    /// An empty buffer.
    func borrow() -> ByteBuffer {
        guard var buffer = spare else { return ByteBufferAllocator().buffer(capacity: Self.capacityMin) }
        spare = nil
        // Allocates new memory if a socket has not taken all bytes.
        buffer.clear()
        return buffer
    }

    /// - Parameter buffer: May still be read by a channel.
    func giveBack(_ buffer: ByteBuffer) {
        if buffer.capacity <= Self.capacityMax { spare = buffer }
    }
}
