import Adapters
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Accepted sockets", .timeLimit(.minutes(1)))
struct AcceptedSocketTests {
    @Test("an accepted socket sends without delay, and takes at most 128 KiB of unsent data")
    func options() async throws {
        try await withServer(ScriptedHandler { _ in .now(.text("hello")) }) { server in
            try await FramePeer.connected(to: server.port) { peer in
                _ = try await peer.next(.settings)
                let accepted = (0..<4096).filter { Self.isAccepted($0, port: server.port) }
                try #require(accepted.count == 1)
                #expect(Self.option(TCP_NODELAY, of: accepted[0]) != 0)
                #expect(Self.option(TCP_NOTSENT_LOWAT, of: accepted[0]) == 131_072)
            }
        }
    }

    /// Whether a descriptor of this process is a connection that a listener on `port` accepted.
    private static func isAccepted(_ descriptor: Int32, port: Int) -> Bool {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let hasPort = withUnsafeMutableBytes(of: &address) { bytes in
            guard let bytes = bytes.baseAddress else { return false }
            return getsockname(descriptor, bytes.assumingMemoryBound(to: sockaddr.self), &size) == 0
        }
        guard hasPort, Int32(address.sin_family) == AF_INET, Int(in_port_t(bigEndian: address.sin_port)) == port
        else { return false }
        size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutableBytes(of: &address) { bytes in
            guard let bytes = bytes.baseAddress else { return false }
            return getpeername(descriptor, bytes.assumingMemoryBound(to: sockaddr.self), &size) == 0
        }
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32 {
        var value: Int32 = -1
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, Int32(IPPROTO_TCP), name, &value, &size) == 0 ? value : -1
    }
}
