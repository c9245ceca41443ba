import NIOCore
import Synchronization

/// The resources in use by all connections of one listener, and their limits.
package final class ServerLoad: Sendable {
    private let limits: Limits
    private let sharedAddresses: [AddressRange]
    private let defences: DefenceLog
    private let connections = Atomic(0)
    private let connectionsByAddress = Mutex<[PeerKey: Int]>([:])
    private let handshakes = Atomic(0)
    private let requests = Atomic(0)
    private let bufferBytes = Atomic(0)

    /// The memory of an idle connection, including TLS.
    package static let connectionBytes = 50 * 1024

    /// - Parameter sharedAddresses: Addresses of proxies, which are exempt from the limit per address.
    package init(limits: Limits, sharedAddresses: [AddressRange], defences: DefenceLog) {
        self.limits = limits
        self.sharedAddresses = sharedAddresses
        self.defences = defences
    }

    func triggered(_ defence: Defence, against peer: SocketAddress?) {
        defences.triggered(defence, against: peer)
    }

    /// Logs the actions of defences that were withheld by the log's rate limit.
    func logWithheld() {
        defences.logWithheld()
    }

    // MARK: Connections

    /// Counts a new connection until `connectionEnded()`. Returns `false` if the limit is reached.
    func connectionBegan(on channel: any Channel) -> Bool {
        guard Self.take(connections, max: limits.connectionsMax) else {
            triggered(.connections, against: channel.remoteAddress)
            return false
        }
        return true
    }

    func connectionEnded() {
        connections.subtract(1, ordering: .relaxed)
    }

    /// Counts a new connection from this address until `connectionEnded(from:)`. Returns `false` if the limit is reached.
    func connectionBegan(from address: SocketAddress) -> Bool {
        guard let key = key(address) else { return true }
        let hasRoom = connectionsByAddress.withLock { counts in
            let count = counts[key, default: 0]
            guard count < limits.connectionsPerAddressMax else { return false }
            counts[key] = count + 1
            return true
        }
        if !hasRoom { triggered(.connectionsPerAddress, against: address) }
        return hasRoom
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

    /// The open and accepted connections of one protocol.
    private final class ProtocolCounts: Sendable {
        let open = Atomic(0)
        let accepted = Atomic(0)
    }

    private static let kinds: [(applicationProtocol: ApplicationProtocol, isEncrypted: Bool)] = [
        (.http1, false), (.http1, true), (.http2, false), (.http2, true),
    ]
    private let protocolCounts = kinds.map { _ in ProtocolCounts() }

    /// Counts a connection by its negotiated protocol.
    func connectionNegotiated(
        _ applicationProtocol: ApplicationProtocol, isEncrypted: Bool, until closed: EventLoopFuture<Void>
    ) {
        let counts = protocolCounts[(applicationProtocol == .http2 ? 2 : 0) + (isEncrypted ? 1 : 0)]
        counts.open.add(1, ordering: .relaxed)
        counts.accepted.add(1, ordering: .relaxed)
        closed.whenComplete { _ in counts.open.subtract(1, ordering: .relaxed) }
    }

    package struct Connections: Sendable {
        package let applicationProtocol: ApplicationProtocol
        package let isEncrypted: Bool
        package let open: Int
        package let accepted: Int
    }

    /// The numbers of connections by protocol and encryption, including zero values.
    package var connectionsByKind: [Connections] {
        zip(Self.kinds, protocolCounts).map { kind, counts in
            Connections(
                applicationProtocol: kind.applicationProtocol, isEncrypted: kind.isEncrypted,
                open: counts.open.load(ordering: .relaxed), accepted: counts.accepted.load(ordering: .relaxed))
        }
    }

    package var openConnections: Int { connections.load(ordering: .relaxed) }

    // MARK: Handshakes

    func handshakeBegan(with peer: SocketAddress?) -> Bool {
        guard Self.take(handshakes, max: limits.handshakesMax) else {
            triggered(.handshakes, against: peer)
            return false
        }
        return true
    }

    func handshakeEnded() {
        handshakes.subtract(1, ordering: .relaxed)
    }

    // MARK: Requests

    /// Counts a new request until `requestEnded()`. Returns `false` if a limit is reached.
    func requestBegan(from peer: SocketAddress?) -> Bool {
        guard !isMemoryShort else {
            triggered(.buffers, against: peer)
            return false
        }
        guard Self.take(requests, max: limits.requestsInFlightMax) else {
            triggered(.requestsInFlight, against: peer)
            return false
        }
        return true
    }

    func requestEnded() {
        requests.subtract(1, ordering: .relaxed)
    }

    package var requestsInFlight: Int { requests.load(ordering: .relaxed) }

    // MARK: Memory

    /// Adds a connection's change of buffered bytes.
    func buffered(_ change: Int) {
        bufferBytes.add(change, ordering: .relaxed)
    }

    package var bufferedBytes: Int { bufferBytes.load(ordering: .relaxed) }

    /// Whether the memory limit is exceeded. New requests are refused then, and peers with buffered data are not read.
    var isMemoryShort: Bool { bufferedBytes + openConnections * Self.connectionBytes > limits.bufferBytesMax }

    // MARK: Counting

    /// Increments the counter unless it has reached `max`.
    private static func take(_ count: borrowing Atomic<Int>, max: Int) -> Bool {
        guard count.add(1, ordering: .relaxed).newValue > max else { return true }
        count.subtract(1, ordering: .relaxed)
        return false
    }
}

/// Reports the buffered bytes of one connection to `ServerLoad`. A value that reports changes in steps of 16 KiB, so that
/// most changes need no atomic operation.
struct BufferAccount {
    private let load: ServerLoad
    private var reportedBytes = 0
    private static let stepBytes = 16_384

    init(load: ServerLoad) {
        self.load = load
    }

    mutating func report(_ bytes: Int) {
        let change = bytes - reportedBytes
        guard change != 0, bytes == 0 || abs(change) >= Self.stepBytes else { return }
        reportedBytes = bytes
        load.buffered(change)
    }
}
