package import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Finds the addresses of a host.
package struct AddressLookup: Sendable {
    /// Nobody answered in time.
    package struct TimedOut: Error {}

    /// There is no such host, for now or for good.
    package struct Unknown: Error {}

    private let addresses: @Sendable (String, Int) throws -> [SocketAddress]

    /// - Parameter addresses: Called on a thread that may be held.
    package init(_ addresses: @escaping @Sendable (String, Int) throws -> [SocketAddress]) {
        self.addresses = addresses
    }

    /// The system's: files and DNS as `nsswitch.conf` has it. Link-local addresses are left out: that is where clouds keep
    /// what hands out their keys, and no name of Zoom's leads there.
    package static let system = AddressLookup { host, port in
        try lookUp(host, port).filter { address in !AddressRange.linkLocal.contains { $0.contains(address) } }
    }

    func addresses(
        of host: String, port: Int, on eventLoop: any EventLoop, within time: TimeAmount
    ) -> EventLoopFuture<[SocketAddress]> {
        let promise = eventLoop.makePromise(of: [SocketAddress].self)
        // Whoever comes first answers; the other is not heard.
        let isAnswered = NIOLoopBoundBox(false, eventLoop: eventLoop)
        let deadline = eventLoop.scheduleTask(in: time) {
            isAnswered.value = true
            promise.fail(TimedOut())
        }
        let addresses = addresses
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { try addresses(host, port) }
            .whenComplete { result in
                guard !isAnswered.value else { return }
                deadline.cancel()
                promise.completeWith(result)
            }
        return promise.futureResult
    }

    private static func lookUp(_ host: String, _ port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var first: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &first) == 0 else { throw Unknown() }
        // The list is the C library's, and given back when it has been read.
        defer { freeaddrinfo(first) }
        var found: [SocketAddress] = []
        var next = first
        while let entry = next {
            switch entry.pointee.ai_family {
            case AF_INET:
                entry.pointee.ai_addr.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    found.append(SocketAddress($0.pointee, host: host))
                }
            case AF_INET6:
                entry.pointee.ai_addr.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    found.append(SocketAddress($0.pointee, host: host))
                }
            default: break
            }
            next = entry.pointee.ai_next
        }
        return found
    }
}

/// Hands NIO, which connects to the best of several addresses, those that were found.
struct FoundAddresses: Resolver {
    let addresses: [SocketAddress]
    let eventLoop: any EventLoop

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        eventLoop.makeSucceededFuture(addresses.filter { $0.protocol == .inet })
    }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        eventLoop.makeSucceededFuture(addresses.filter { $0.protocol == .inet6 })
    }

    func cancelQueries() {}
}
