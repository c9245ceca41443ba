package import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// Writes to an open file descriptor.
package enum DescriptorOutput {
    /// Writes all readable bytes, without a copy. Blocks, also if another program has made the shared file description
    /// non-blocking.
    ///
    /// - Returns: The `errno` of a write that failed; otherwise `nil`.
    package static func write(_ bytes: ByteBuffer, to descriptor: CInt) -> CInt? {
        bytes.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return nil }
            var offset = 0
            while offset < bytes.count {
                let count = Glibc.write(descriptor, base + offset, bytes.count - offset)
                if count >= 0 {
                    offset += count
                } else if errno == EAGAIN {
                    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&ready, 1, -1)
                } else if errno != EINTR {
                    return errno
                }
            }
            return nil
        }
    }
}
