import Adapters
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Accepted sockets", .timeLimit(.minutes(10)))
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
        // A `sockaddr_in`: two bytes for the family, and two for the port in network byte order.
        var address = [UInt8](repeating: 0, count: 128)
        var size = socklen_t(address.count)
        let isKnown = address.withUnsafeMutableBytes { bytes in
            getsockname(descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, &size) == 0
        }
        guard isKnown, Int32(address[0]) == AF_INET, Int(address[2]) << 8 | Int(address[3]) == port else {
            return false
        }
        size = socklen_t(address.count)
        return address.withUnsafeMutableBytes { bytes in
            getpeername(descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, &size) == 0
        }
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32 {
        var value: Int32 = -1
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, Int32(IPPROTO_TCP), name, &value, &size) == 0 ? value : -1
    }
}
