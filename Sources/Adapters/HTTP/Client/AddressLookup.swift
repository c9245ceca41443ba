package import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Finds the addresses of a host.
package struct AddressLookup: Sendable {
    /// Nobody answered in time.
    package struct TimedOut: Error {}

    /// There is no such host.
    package struct Unknown: Error {
        package init() {}
    }

    /// The name could not be looked up.
    package struct Failed: Error {
        package init() {}
    }

    /// The host has no address that may be connected to.
    package struct Forbidden: Error {
        package init() {}
    }

    private let addresses: @Sendable (String, Int) throws -> [SocketAddress]

    /// - Parameter addresses: Called on a thread that may be held.
    package init(_ addresses: @escaping @Sendable (String, Int) throws -> [SocketAddress]) {
        self.addresses = addresses
    }

    /// The system's: files and DNS as `nsswitch.conf` has it; an address as text is its own answer. Link-local addresses
    /// are left out: that is where clouds keep what hands out their keys, and no name of Zoom's leads there.
    package static let system = AddressLookup { host, port in
        let all = try addresses(of: host, port: port)
        let allowed = all.filter { address in !AddressRange.linkLocal.contains { $0.contains(address) } }
        if allowed.isEmpty, !all.isEmpty { throw Forbidden() }
        return allowed
    }

    /// Likewise, link-local addresses included: for programs that an operator points to a service of ours.
    package static let unrestricted = AddressLookup { host, port in try addresses(of: host, port: port) }

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

    /// EAI_NODATA and EAI_ADDRFAMILY, which the C library keeps behind a macro: the name is known and has no address.
    private static let eaiNoData: Int32 = -5
    private static let eaiAddressFamily: Int32 = -9

    /// An address as text, which needs no resolver: `192.0.2.7`, `2001:db8::7`, `[::1]`, or in a zone, `fe80::1%eth0`.
    /// `nil` for a name.
    package static func literal(_ host: String, port: Int) -> SocketAddress? {
        try? query(host, port, AI_NUMERICHOST).first
    }

    /// The addresses of a host, best first. Blocks its thread, unless the host is an address as text.
    ///
    /// - Throws: `Unknown`, `Failed`.
    package static func addresses(of host: String, port: Int) throws -> [SocketAddress] {
        if let address = literal(host, port: port) { return [address] }
        do {
            return try query(host, port, AI_ADDRCONFIG)
        } catch is Unknown {
            // The C library does not count ::1 as an address of this machine: names that lead there alone are found without.
            return try query(host, port, 0)
        }
    }

    private static func query(_ host: String, _ port: Int, _ flags: CInt) throws -> [SocketAddress] {
        let isBracketed = host.first == "[" && host.last == "]"
        var host = isBracketed ? String(host.dropFirst().dropLast()) : host
        // A URL encodes the percent sign before the zone (RFC 6874, 2).
        if host.contains(":") { host.replace("%25", with: "%") }
        // The C library would stop reading there.
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
