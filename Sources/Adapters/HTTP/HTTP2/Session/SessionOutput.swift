import NIOCore

/// The serialised frames of one drain of a session: frame headers and small payloads copied to one buffer, and large
/// payloads by reference between them.
struct SessionOutput {
    private(set) var copied: ByteBuffer

    /// The large payloads, each with the number of copied bytes before it.
    private var payloads: [(offset: Int, bytes: ByteBuffer)] = []

    private(set) var count = 0

    init() {
        copied = ByteBuffer()
    }

    /// - Parameter buffer: Empty, for the copied bytes.
    init(_ buffer: ByteBuffer) {
        copied = buffer
    }

    mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        copied.writeBytes(bytes)
        count += bytes.count
    }

    /// Appends a frame header and its payload.
    mutating func append(_ payload: ByteBuffer, behind head: UnsafeRawBufferPointer) {
        guard payload.readableBytes < ByteQueue.referencedBytesMin else {
            copy(head)
            return append(payload)
        }
        let size = head.count + payload.readableBytes
        payload.withUnsafeReadableBytes { payload in
            _ = copied.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { memory in
                if let start = memory.baseAddress, let head = head.baseAddress, let bytes = payload.baseAddress {
                    start.copyMemory(from: head, byteCount: size - payload.count)
                    (start + size - payload.count).copyMemory(from: bytes, byteCount: payload.count)
                }
                return size
            }
        }
        count += size
    }

    mutating func append(_ payload: ByteBuffer) {
        if payload.readableBytes < ByteQueue.referencedBytesMin {
            copied.writeImmutableBuffer(payload)
        } else {
            payloads.append((copied.readableBytes, payload))
        }
        count += payload.readableBytes
    }

    /// Passes the output to `write` in its order.
    func forEach(_ write: (ByteBuffer) -> Void) {
        guard !payloads.isEmpty else { return write(copied) }
        // Sliced only now, since a buffer that shares its storage is copied when it is written to.
        var copied = copied
        var offset = 0
        for payload in payloads {
            if payload.offset > offset, let bytes = copied.readSlice(length: payload.offset - offset) { write(bytes) }
            offset = payload.offset
            write(payload.bytes)
        }
        if copied.readableBytes > 0 { write(copied) }
    }
}
