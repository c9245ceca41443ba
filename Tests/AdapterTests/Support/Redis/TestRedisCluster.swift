import Adapters
import Foundation
import Testing

/// A cluster of three primaries on this machine, of which each has a third of the slots.
struct TestRedisCluster: Sendable {
    let primaries: [RedisServer]

    /// A further node without slots; nil in a cluster without one.
    let spare: RedisServer?

    private static let options = [
        "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no",
        "--repl-diskless-sync-delay", "0",
    ]

    /// Starts a cluster and kills it after `test`.
    static func with(hasSpare: Bool = false, _ test: (TestRedisCluster) async throws -> Void) async throws {
        func start(_ rest: Int, _ servers: [RedisServer]) async throws {
            guard rest == 0 else {
                return try await RedisServer.with(options: options) { try await start(rest - 1, servers + [$0]) }
            }
            let cluster = TestRedisCluster(
                primaries: Array(servers.prefix(3)), spare: hasSpare ? servers[3] : nil)
            try await cluster.join()
            try await test(cluster)
        }
        try await start(hasSpare ? 4 : 3, [])
    }

    private func join() async throws {
        let bounds = [0, 5461, 10_923, 16_384]
        for (index, node) in primaries.enumerated() {
            await node.run("CLUSTER", "ADDSLOTSRANGE", "\(bounds[index])", "\(bounds[index + 1] - 1)")
            await node.run("CLUSTER", "SET-CONFIG-EPOCH", "\(index + 1)")
        }
        try await Self.meet(primaries + (spare.map { [$0] } ?? []))
    }

    /// Makes the spare node the replica of a primary, and waits until it has the data and the other nodes know it.
    func replicate(_ primary: RedisServer) async throws {
        let spare = try #require(spare)
        try await spare.wait(for: "\(primary.port)@", in: "CLUSTER", "NODES")
        await spare.run("CLUSTER", "REPLICATE", primary.run("CLUSTER", "MYID"))
        try await primary.wait(for: "state=online", in: "INFO", "replication")
        for other in primaries { try await other.wait(for: "\(spare.port)", in: "CLUSTER", "SLOTS") }
    }

    /// Introduces nodes to one another, and waits until each can be used.
    static func meet(_ nodes: [RedisServer]) async throws {
        for node in nodes.dropFirst() {
            await node.run("CLUSTER", "MEET", "127.0.0.1", "\(nodes[0].port)", "\(nodes[0].busPort)")
        }
        for node in nodes { try await node.wait(for: "cluster_state:ok", in: "CLUSTER", "INFO") }
    }

    /// The primary that has the slot of a key at the start. `{b}`, `{c}` and `{a}` are keys of the first, second and third.
    func owner(of key: String) async throws -> RedisServer {
        let slot = try #require(Int(await primaries[0].run("CLUSTER", "KEYSLOT", key)))
        return primaries[slot < 5461 ? 0 : slot < 10_923 ? 1 : 2]
    }
}
