package import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Resolves host names to addresses.
package struct AddressLookup: Sendable {
    /// The resolver did not answer in time.
    package struct TimedOut: Error {}

    /// The host does not exist.
    package struct Unknown: Error {
        package init() {}
    }

    /// The resolver failed.
    package struct Failed: Error {
        package init() {}
    }

    /// All addresses of the host are link-local, and connecting to those is not permitted.
    package struct Forbidden: Error {
        package init() {}
    }

    private let addresses: @Sendable (String, Int) throws -> [SocketAddress]

    /// - Parameter addresses: Called on a thread that may block.
    package init(_ addresses: @escaping @Sendable (String, Int) throws -> [SocketAddress]) {
        self.addresses = addresses
    }

    /// Resolves by the system's resolver (`nsswitch.conf`) and accepts literal addresses. Excludes link-local addresses:
    /// cloud metadata services, which hand out credentials, are reachable there.
    package static let system = AddressLookup { host, port in
        let all = try addresses(of: host, port: port)
        let allowed = all.filter { address in !AddressRange.linkLocal.contains { $0.contains(address) } }
        if allowed.isEmpty, !all.isEmpty { throw Forbidden() }
        return allowed
    }

    /// As `system`, but with link-local addresses. For tools that an operator points at this service.
    package static let unrestricted = AddressLookup { host, port in try addresses(of: host, port: port) }

    func addresses(
        of host: String, port: Int, on eventLoop: any EventLoop, within time: TimeAmount
    ) -> EventLoopFuture<[SocketAddress]> {
        let promise = eventLoop.makePromise(of: [SocketAddress].self)
        // The first of deadline and result completes the promise; the other is ignored.
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

    /// EAI_NODATA and EAI_ADDRFAMILY, which glibc declares only with _GNU_SOURCE: the name exists without addresses.
    private static let eaiNoData: Int32 = -5
    private static let eaiAddressFamily: Int32 = -9

    /// Parses a literal address: `192.0.2.7`, `2001:db8::7`, `[::1]`, or with a zone `fe80::1%eth0`. `nil` for a name.
    package static func literal(_ host: String, port: Int) -> SocketAddress? {
        try? query(host, port, AI_NUMERICHOST).first
    }

    /// The addresses of a host in the order of preference. Blocks the thread, unless the host is a literal address.
    ///
    /// - Throws: `Unknown`, `Failed`.
    package static func addresses(of host: String, port: Int) throws -> [SocketAddress] {
        if let address = literal(host, port: port) { return [address] }
        do {
            return try query(host, port, AI_ADDRCONFIG)
        } catch is Unknown {
            // AI_ADDRCONFIG ignores loopback addresses, so a name that resolves only to ::1 needs a query without it.
            return try query(host, port, 0)
        }
    }

    private static func query(_ host: String, _ port: Int, _ flags: CInt) throws -> [SocketAddress] {
        let isBracketed = host.first == "[" && host.last == "]"
        var host = isBracketed ? String(host.dropFirst().dropLast()) : host
        // A URL encodes the percent sign before the zone (RFC 6874, 2).
        if host.contains(":") { host.replace("%25", with: "%") }
        // The C library would stop reading at a NUL byte.
        guard !host.utf8.contains(0) else { throw Unknown() }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags
        var first: UnsafeMutablePointer<addrinfo>?
        switch getaddrinfo(host, String(port), &hints, &first) {
        case 0: break
        case EAI_NONAME, eaiNoData, eaiAddressFamily: throw Unknown()
        default: throw Failed()
        }
        // Allocated by getaddrinfo; freed here after it was copied.
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

/// Passes resolved addresses to NIO, which implements Happy Eyeballs (RFC 8305).
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
