import NIOCore
import Synchronization

/// What all connections of one listener hold together at this moment, and whether there is room for more.
package final class ServerLoad: Sendable {
    private let limits: Limits
    private let sharedAddresses: [AddressRange]
    private let defences: DefenceLog
    private let connections = Atomic(0)
    private let connectionsByAddress = Mutex<[PeerKey: Int]>([:])
    private let handshakes = Atomic(0)
    private let requests = Atomic(0)
    private let bufferBytes = Atomic(0)

    /// What a connection holds when nothing waits on it, TLS included.
    package static let connectionBytes = 50 * 1024

    /// - Parameter sharedAddresses: Those behind which there are many peers.
    package init(limits: Limits, sharedAddresses: [AddressRange], defences: DefenceLog) {
        self.limits = limits
        self.sharedAddresses = sharedAddresses
        self.defences = defences
    }

    func acted(_ defence: Defence, against peer: SocketAddress?) {
        defences.acted(defence, against: peer)
    }

    /// Sees to it that nothing defences did stays unsaid.
    func sayRest() {
        defences.sayRest()
    }

    // MARK: Connections

    /// Whether there is room for one more connection; it is counted if so, until `connectionEnded`.
    func connectionBegan(on channel: any Channel) -> Bool {
        guard Self.take(connections, max: limits.connectionsMax) else {
            acted(.connections, against: channel.remoteAddress)
            return false
        }
        return true
    }

    func connectionEnded() {
        connections.subtract(1, ordering: .relaxed)
    }

    /// Likewise for one more from that address, until `connectionEnded(from:)`.
    func connectionBegan(from address: SocketAddress) -> Bool {
        guard let key = key(address) else { return true }
        let isTaken = connectionsByAddress.withLock { counts in
            let count = counts[key, default: 0]
            guard count < limits.connectionsPerAddressMax else { return false }
            counts[key] = count + 1
            return true
        }
        if !isTaken { acted(.connectionsPerAddress, against: address) }
        return isTaken
    }

    func connectionEnded(from address: SocketAddress) {
        guard let key = key(address) else { return }
        connectionsByAddress.withLock { counts in
            guard let count = counts[key] else { return }
            counts[key] = count > 1 ? count - 1 : nil
        }
    }

    private func key(_ address: SocketAddress) -> PeerKey? {
        sharedAddresses.contains { $0.contains(address) } ? nil : PeerKey(address)
    }

    /// Connections by what is spoken on them: open now, and taken so far.
    private final class Spoken: Sendable {
        let open = Atomic(0)
        let taken = Atomic(0)
    }

    private static let kinds: [(applicationProtocol: ApplicationProtocol, isEncrypted: Bool)] = [
        (.http1, false), (.http1, true), (.http2, false), (.http2, true),
    ]
    private let spoken = kinds.map { _ in Spoken() }

    /// It is known now what a connection is.
    func connectionSpeaks(
        _ applicationProtocol: ApplicationProtocol, isEncrypted: Bool, until closed: EventLoopFuture<Void>
    ) {
        let spoken = spoken[(applicationProtocol == .http2 ? 2 : 0) + (isEncrypted ? 1 : 0)]
        spoken.open.add(1, ordering: .relaxed)
        spoken.taken.add(1, ordering: .relaxed)
        closed.whenComplete { _ in spoken.open.subtract(1, ordering: .relaxed) }
    }

    package struct Connections: Sendable {
        package let applicationProtocol: ApplicationProtocol
        package let isEncrypted: Bool
        package let open: Int
        package let taken: Int
    }

    /// A value for each kind, those of which there are none among them.
    package var connectionsByKind: [Connections] {
        zip(Self.kinds, spoken).map { kind, spoken in
            Connections(
                applicationProtocol: kind.applicationProtocol, isEncrypted: kind.isEncrypted,
                open: spoken.open.load(ordering: .relaxed), taken: spoken.taken.load(ordering: .relaxed))
        }
    }

    package var openConnections: Int { connections.load(ordering: .relaxed) }

    // MARK: Handshakes

    func handshakeBegan(with peer: SocketAddress?) -> Bool {
        guard Self.take(handshakes, max: limits.handshakesMax) else {
            acted(.handshakes, against: peer)
            return false
        }
        return true
    }

    func handshakeEnded() {
        handshakes.subtract(1, ordering: .relaxed)
    }

    // MARK: Requests

    /// Whether one more request may be worked on; it is counted if so, until `requestEnded`.
    func requestBegan(from peer: SocketAddress?) -> Bool {
        guard !isShort else {
            acted(.buffers, against: peer)
            return false
        }
        guard Self.take(requests, max: limits.requestsInFlightMax) else {
            acted(.requestsInFlight, against: peer)
            return false
        }
        return true
    }

    func requestEnded() {
        requests.subtract(1, ordering: .relaxed)
    }

    package var requestsInFlight: Int { requests.load(ordering: .relaxed) }

    // MARK: Memory

    /// A connection buffers more than before, or less.
    func buffered(_ change: Int) {
        bufferBytes.add(change, ordering: .relaxed)
    }

    package var bufferedBytes: Int { bufferBytes.load(ordering: .relaxed) }

    /// Whether more is held than was meant to be: nothing is begun then, and peers that have us hold something are not
    /// read from.
    var isShort: Bool { bufferedBytes + openConnections * Self.connectionBytes > limits.bufferBytesMax }

    // MARK: Counting

    /// Takes one of `max`, unless they are all taken.
    private static func take(_ count: borrowing Atomic<Int>, max: Int) -> Bool {
        guard count.add(1, ordering: .relaxed).newValue > max else { return true }
        count.subtract(1, ordering: .relaxed)
        return false
    }
}

/// What one connection has told its server's load that it buffers. A value, told in steps, so that a connection that
/// moves costs nothing.
struct BufferAccount {
    private let load: ServerLoad?
    private var toldBytes = 0
    private static let stepBytes = 16_384

    init(load: ServerLoad?) {
        self.load = load
    }

    mutating func settle(_ bytes: Int) {
        let change = bytes - toldBytes
        guard change != 0, bytes == 0 || abs(change) >= Self.stepBytes else { return }
        toldBytes = bytes
        load?.buffered(change)
    }
}
