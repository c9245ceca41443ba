import NIOCore

extension RedisCluster {
    /// Where commands are sent.
    private struct Destination: Hashable {
        let address: RedisConfiguration.Address

        /// Whether `ASKING` precedes each command.
        let isAsking: Bool
    }

    private struct Sent {
        let destination: Destination

        /// The indices of the commands.
        let indices: [Int]
        let wait: RedisWait<RedisConnection.Replies>
    }

    /// How often one command is sent to another node.
    private static let redirectionsMax = 5

    /// Sends each command to the node of its key, and returns the replies in the order of the commands. Follows redirections:
    /// a command that was redirected did not run.
    ///
    /// A command that no node could run has a reply with the code `CLUSTERDOWN`, if another command has run.
    ///
    /// - Throws: `unavailable` or `overloaded` if no command has run.
    func call(
        _ commands: [RedisCommand], deadline: NIODeadline, _ queue: RedisQueue
    ) async throws(RedisFailure) -> [RedisValue] {
        var replies = [RedisValue?](repeating: nil, count: commands.count)
        var failure = RedisFailure.unavailable
        var next = destinations(of: commands)
        for round in 0...Self.redirectionsMax where !next.isEmpty {
            var sent: [Sent] = []
            for (destination, indices) in next {
                guard let link = await link(to: destination.address, isRedirected: round > 0, deadline) else {
                    continue
                }
                let list = indices.flatMap { index in
                    destination.isAsking ? [RedisCommand("ASKING"), commands[index]] : [commands[index]]
                }
                guard let batch = queue.batch(list, deadline: deadline) else {
                    failure = .overloaded
                    continue
                }
                link.send(batch)
                sent.append(Sent(destination: destination, indices: indices, wait: batch.wait))
            }
            next = [:]
            for sent in sent {
                switch await sent.wait.value(orWhenCancelled: .failure(.cancelled)) {
                case .failure(.unavailable): refresh()
                case .failure(let failure): throw failure
                case .success(let values):
                    let step = sent.destination.isAsking ? 2 : 1
                    for (place, index) in sent.indices.enumerated() {
                        let reply = values[place * step + step - 1]
                        switch RedisRedirection(reply, from: sent.destination.address) {
                        case nil: replies[index] = reply
                        case .moved(let slot, let address?):
                            moved(slot, to: address)
                            next[Destination(address: address, isAsking: false), default: []].append(index)
                        case .ask(let address?):
                            next[Destination(address: address, isAsking: true), default: []].append(index)
                        case .moved(_, nil), .ask(nil), .unavailable: refresh()
                        }
                    }
                }
            }
        }
        guard replies.contains(where: { $0 != nil }) else { throw failure }
        return replies.map { $0 ?? .error(RedisErrorReply(code: "CLUSTERDOWN", message: "the node is not connected")) }
    }

    /// The node of each command. A command without a key goes to the node of another command, or to any node.
    private func destinations(of commands: [RedisCommand]) -> [Destination: [Int]] {
        var destinations: [Destination: [Int]] = [:]
        var keyless: [Int] = []
        for (index, command) in commands.enumerated() {
            guard let key = command.key else {
                keyless.append(index)
                continue
            }
            guard let address = node(of: RedisSlotMap.slot(of: key)) else { continue }
            destinations[Destination(address: address, isAsking: false), default: []].append(index)
        }
        if !keyless.isEmpty, let address = links.randomElement()?.address {
            destinations[Destination(address: address, isAsking: false), default: []] += keyless
        }
        return destinations
    }

    /// - Parameter isRedirected: Whether the address is from a redirection, so that the node may be new.
    private func link(
        to address: RedisConfiguration.Address, isRedirected: Bool, _ deadline: NIODeadline
    ) async -> RedisLink? {
        let link = isRedirected ? await openLink(to: address, deadline) : link(to: address)
        if link == nil { refresh() }
        return link
    }
}
