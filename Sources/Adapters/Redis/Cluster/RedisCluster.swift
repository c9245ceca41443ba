import Domain
import NIOCore
import NIOPosix
import Synchronization

/// The nodes of a cluster, with one connection to each node that has slots.
///
/// `CLUSTER SLOTS` says which node has which slot. The client asks for it at the first connection, after a `MOVED`, and again
/// and again while a node cannot be reached: its replica may take over.
final class RedisCluster: Sendable {
    typealias Address = RedisConfiguration.Address

    /// A connection to a node, which is made again until the node has no slots.
    private final class Node: Sendable {
        private struct State {
            var link: RedisLink?

            /// Why there is no connection; nil before the first attempt has ended.
            var problem: RedisProblem?

            /// The calls that wait for the end of the current attempt.
            var waits: [RedisWait<Void>] = []
        }

        let stop = RedisWait<Void>()
        private let state = Mutex(State())

        var link: RedisLink? { state.withLock { $0.link } }
        var problem: RedisProblem? { state.withLock { $0.problem } }

        func changed(_ change: RedisReconnecting.Change) {
            let waits = state.withLock { state in
                switch change {
                case .connected(let link): (state.link, state.problem) = (link, nil)
                case .disconnected(let problem, _): (state.link, state.problem) = (nil, problem)
                }
                defer { state.waits = [] }
                return state.waits
            }
            for wait in waits { wait.resolve(()) }
        }

        /// Waits until the current attempt to connect has ended.
        func waitForAttempt(_ deadline: NIODeadline, on eventLoop: any EventLoop) async {
            let wait = RedisWait<Void>()
            let isWaiting = state.withLock { state in
                guard state.link == nil else { return false }
                state.waits.append(wait)
                return true
            }
            guard isWaiting else { return }
            let timeout = eventLoop.scheduleTask(deadline: deadline) { _ = wait.resolve(()) }
            await wait.value(orWhenCancelled: ())
            timeout.cancel()
            state.withLock { $0.waits.removeAll { $0 === wait } }
        }
    }

    private struct State {
        var map: RedisSlotMap
        var nodes: [Address: Node] = [:]

        /// The number of attempts to read the slots while no node was connected.
        var attempts = 0
    }

    /// The pause before each question for the slots.
    private static let refreshPause = Duration.milliseconds(100)

    /// The maximum time of one question for the slots.
    private static let refreshTime = TimeAmount.milliseconds(500)

    private let configuration: RedisConfiguration
    private let group: MultiThreadedEventLoopGroup
    private let time: any TimeSource
    private let changed: @Sendable (RedisReconnecting.Change?) -> Void
    private let state: Mutex<State>
    private let refreshes = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    private let newNodes = AsyncStream<(Address, Node)>.makeStream()

    /// - Parameters:
    ///   - map: The slots as one node has reported them.
    ///   - changed: Called with each change of the connection to a node, and with nil for a change of the slots.
    init(
        _ configuration: RedisConfiguration, _ map: RedisSlotMap, group: MultiThreadedEventLoopGroup,
        time: any TimeSource, changed: @escaping @Sendable (RedisReconnecting.Change?) -> Void
    ) {
        self.configuration = configuration
        self.group = group
        self.time = time
        self.changed = changed
        state = Mutex(State(map: map))
        for address in map.nodes { _ = node(at: address) }
        refresh()
    }

    // MARK: Nodes

    /// Connects to the nodes and follows the slots, until the task is cancelled or an address of the configuration is no longer
    /// that of a cluster.
    func run() async {
        await withTaskGroup { tasks in
            tasks.addTask { await self.runNodes() }
            tasks.addTask { await self.refreshSlots() }
            await tasks.next()
            tasks.cancelAll()
        }
    }

    private func runNodes() async {
        await withDiscardingTaskGroup { tasks in
            for await (address, node) in newNodes.stream {
                tasks.addTask { await self.run(node, at: address) }
            }
            tasks.cancelAll()
        }
    }

    private func run(_ node: Node, at address: Address) async {
        var configuration = configuration
        configuration.addresses = [address]
        let connecting = RedisReconnecting(configuration: configuration, group: group, time: time)
        await connecting.run(until: node.stop) { change in
            node.changed(change)
            if case .disconnected = change {
                let hasSlots = self.state.withLock { state in
                    if state.map.nodes.contains(address) { return true }
                    state.nodes[address] = nil
                    return false
                }
                if !hasSlots { node.stop.resolve(()) }
                self.refresh()
            }
            self.changed(change)
        }
    }

    /// Uses a map, and connects to its nodes.
    private func use(_ map: RedisSlotMap) {
        let isNew = state.withLock { state in
            defer { state.map = map }
            return state.map != map
        }
        for address in map.nodes { _ = node(at: address) }
        if isNew { changed(nil) }
    }

    /// The node at an address. Connects to it if it is new.
    private func node(at address: Address) -> Node {
        let (node, isNew) = state.withLock { state in
            if let node = state.nodes[address] { return (node, false) }
            let node = Node()
            state.nodes[address] = node
            return (node, true)
        }
        if isNew { newNodes.continuation.yield((address, node)) }
        return node
    }

    // MARK: Slots

    /// Asks for the slots again soon.
    func refresh() { refreshes.continuation.yield(()) }

    private func refreshSlots() async {
        for await _ in refreshes.stream {
            try? await time.sleep(until: time.now + Self.refreshPause)
            guard await readSlots() else { return }
            if !isComplete { refresh() }
        }
    }

    /// - Returns: False if an address is no longer that of a cluster.
    private func readSlots() async -> Bool {
        for link in links.shuffled().prefix(3) {
            let replies = await link.call([RedisCommand("CLUSTER", "SLOTS")], deadline: .now() + Self.refreshTime)
            guard case .success(let values) = replies, let map = RedisSlotMap(values[0], from: link.address),
                !map.nodes.isEmpty
            else { continue }
            use(map)
            return true
        }
        let attempt = state.withLock { state in
            state.attempts += 1
            return state.attempts
        }
        let addresses = configuration.addresses + knownAddresses
        let link = await RedisConnector(configuration: configuration).connect(
            to: addresses[attempt % addresses.count], on: group.next())
        guard case .success(let link) = link else { return true }
        defer { link.close() }
        guard let map = link.slots else { return false }
        if !map.nodes.isEmpty { use(map) }
        return true
    }

    /// Uses the address that a node has reported for a slot.
    func moved(_ slot: Int, to address: Address) {
        state.withLock { state in
            if state.map.node(of: slot) != address { state.map.move(slot, to: address) }
        }
        refresh()
    }

    func node(of slot: Int) -> Address? { state.withLock { $0.map.node(of: slot) } }

    // MARK: Connections

    /// The connections to all nodes that have slots.
    var links: [RedisLink] { state.withLock { state in state.map.nodes.compactMap { state.nodes[$0]?.link } } }

    /// The connection to a node; nil while there is none.
    func link(to address: Address) -> RedisLink? { state.withLock { $0.nodes[address] }?.link }

    /// The connection to a node, which may be new. Waits for one attempt to connect.
    func openLink(to address: Address, _ deadline: NIODeadline) async -> RedisLink? {
        let node = node(at: address)
        await node.waitForAttempt(deadline, on: group.next())
        return node.link
    }

    /// The nodes that have slots.
    var knownAddresses: [Address] { state.withLock { $0.map.nodes } }

    func isConnected(to slot: Int) -> Bool {
        state.withLock { state in state.map.node(of: slot).flatMap { state.nodes[$0]?.link } != nil }
    }

    /// Whether every slot has a node that is connected.
    var isComplete: Bool { problem == nil }

    /// Why some slots cannot be used; nil if all can.
    var problem: String? {
        state.withLock { state in
            let nodes = state.map.nodes
            let missing = nodes.filter { state.nodes[$0]?.link == nil }
            if let first = missing.first {
                let reason = state.nodes[first]?.problem.map { ": \($0)" } ?? ""
                return "\(missing.count) of \(nodes.count) nodes cannot be used, one is \(first.text)\(reason)"
            }
            return state.map.missing == 0 ? nil : "\(state.map.missing) slots of the cluster have no node"
        }
    }
}
