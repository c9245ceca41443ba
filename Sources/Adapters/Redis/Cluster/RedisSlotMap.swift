/// Which node of a cluster has which slot. A slot is a part of the keys.
struct RedisSlotMap: Sendable, Equatable {
    typealias Address = RedisConfiguration.Address

    /// The number of slots of every cluster.
    static let slots = 16_384

    /// The nodes that have slots.
    private(set) var nodes: [Address] = []

    /// For each slot the index of its node; -1 for none.
    private var owners: [Int16]

    /// The number of slots without a node.
    private(set) var missing = slots

    /// The maximum of nodes. A cluster is recommended to have at most 1000.
    private static let nodesMax = 1000

    /// Reads the reply of `CLUSTER SLOTS`.
    ///
    /// - Parameter address: The node that replied, which can omit its own host.
    /// - Returns: nil if the reply is not that of a node of a cluster.
    init?(_ reply: RedisValue, from address: Address) {
        guard let ranges = reply.elements else { return nil }
        owners = Array(repeating: -1, count: Self.slots)
        for range in ranges {
            guard let parts = range.elements, parts.count > 2, let first = parts[0].integer,
                let last = parts[1].integer, first >= 0, first <= last, last < Self.slots,
                let primary = parts[2].elements, primary.count > 1, let port = primary[1].integer
            else { return nil }
            guard let node = Address(announced: primary[0].string ?? "", port: port, by: address) else { continue }
            for slot in Int(first)...Int(last) { move(slot, to: node) }
        }
    }

    func node(of slot: Int) -> Address? { owners[slot] < 0 ? nil : nodes[Int(owners[slot])] }

    mutating func move(_ slot: Int, to node: Address) {
        let index: Int
        if let known = nodes.firstIndex(of: node) {
            index = known
        } else {
            guard nodes.count < Self.nodesMax else { return }
            index = nodes.count
            nodes.append(node)
        }
        if owners[slot] < 0 { missing -= 1 }
        owners[slot] = Int16(index)
    }

    /// The slot of a key: CRC16 of its hash tag, which is the text in the first pair of braces if it is not empty, otherwise
    /// of the whole key (Redis cluster specification, "Hash tags").
    static func slot(of key: [UInt8]) -> Int {
        var tag = key[...]
        if let open = key.firstIndex(of: UInt8(ascii: "{")) {
            let rest = key[(open + 1)...]
            if let close = rest.firstIndex(of: UInt8(ascii: "}")), close > rest.startIndex { tag = rest[..<close] }
        }
        return Int(crc16(tag)) % slots
    }

    /// CRC-16/XMODEM: polynomial 0x1021, without reflection.
    private static func crc16(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        var crc: UInt16 = 0
        for byte in bytes {
            crc ^= UInt16(byte) << 8
            for _ in 0..<8 { crc = crc & 0x8000 == 0 ? crc << 1 : crc << 1 ^ 0x1021 }
        }
        return crc
    }
}

/// What a node of a cluster answers if another one has the slot of a command. The command did not run.
enum RedisRedirection: Sendable, Equatable {
    /// The slot has moved to the node, if the node that answers knows its address.
    case moved(slot: Int, to: RedisConfiguration.Address?)
    /// The key may have moved to the node, while the slot moves. This command alone is sent there, after `ASKING`.
    case ask(RedisConfiguration.Address?)
    /// The cluster cannot run the command now: a slot has no node, or only a part of the keys has moved.
    case unavailable

    /// - Parameter address: The node that answered.
    /// - Returns: nil for the reply of a command that ran, or that was refused for another reason.
    init?(_ reply: RedisValue, from address: RedisConfiguration.Address) {
        guard case .error(let error) = reply else { return nil }
        switch error.code {
        case "CLUSTERDOWN", "TRYAGAIN": self = .unavailable
        case "MOVED", "ASK":
            // The slot and the address, in which only the last colon precedes the port.
            let parts = error.message.split(separator: " ")
            guard parts.count == 2, let slot = Int(parts[0]), (0..<RedisSlotMap.slots).contains(slot),
                let colon = parts[1].lastIndex(of: ":"), let port = Int64(parts[1][colon...].dropFirst())
            else { return nil }
            let node = RedisConfiguration.Address(announced: String(parts[1][..<colon]), port: port, by: address)
            self = error.code == "MOVED" ? .moved(slot: slot, to: node) : .ask(node)
        case _: return nil
        }
    }
}

extension RedisConfiguration.Address {
    /// The address of a node as a node announces it: `?` is an unknown host, and an empty text the host of the node that
    /// announces it.
    fileprivate init?(announced host: String, port: Int64, by address: Self) {
        guard host != "?", (1...65_535).contains(port) else { return nil }
        self.init(host: host.isEmpty ? address.host : host, port: Int(port))
    }
}
