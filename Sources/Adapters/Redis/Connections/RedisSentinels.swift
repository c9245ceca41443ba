import NIOCore

/// Asks sentinels for the address of a primary.
struct RedisSentinels: Sendable {
    /// The addresses are those of the sentinels.
    private let configuration: RedisConfiguration

    /// The maximum time for one sentinel: the connection and the question.
    private static let askTime = TimeAmount.seconds(1)

    init(configuration: RedisConfiguration) {
        var configuration = configuration
        configuration.connect = min(configuration.connect, Self.askTime)
        configuration.database = 0
        self.configuration = configuration
    }

    /// Asks one sentinel after the other until one knows the primary.
    ///
    /// - Parameters:
    ///   - name: The name under which the sentinels monitor the primary.
    ///   - first: The index of the sentinel to start with; any number.
    /// - Returns: The address, or the last problem, and the last sentinel.
    func address(
        of name: String, _ first: Int, on eventLoop: any EventLoop
    ) async -> (Result<RedisConfiguration.Address, RedisProblem>, RedisConfiguration.Address) {
        let count = configuration.addresses.count
        var last: (Result<RedisConfiguration.Address, RedisProblem>, RedisConfiguration.Address)
        var asked = 0
        repeat {
            let sentinel = configuration.addresses[(first + asked) % count]
            last = (await ask(sentinel, for: name, on: eventLoop), sentinel)
            if case (.success, _) = last { break }
            asked += 1
        } while asked < count && !Task.isCancelled
        return last
    }

    private func ask(
        _ sentinel: RedisConfiguration.Address, for name: String, on eventLoop: any EventLoop
    ) async -> Result<RedisConfiguration.Address, RedisProblem> {
        switch await connect(to: sentinel, on: eventLoop) {
        case .failure(let problem): return .failure(problem)
        case .success(let link):
            defer { link.close() }
            let command = RedisCommand("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
            guard case .success(let replies) = await link.call([command], deadline: .now() + Self.askTime) else {
                return .failure(.unanswered)
            }
            switch replies[0] {
            case .error(let error): return .failure(.refused(command: command.name, error))
            case .array(let parts):
                guard parts.count == 2, let host = parts[0].string, let port = parts[1].integer, !host.isEmpty,
                    (1...65_535).contains(port)
                else { return .failure(.malformed) }
                return .success(RedisConfiguration.Address(host: host, port: Int(port)))
            case .null, .integer, .text: return .failure(.unknownPrimary(name))
            }
        }
    }

    /// Sentinels often have no password. One that demands a password gets that of Redis.
    private func connect(
        to sentinel: RedisConfiguration.Address, on eventLoop: any EventLoop
    ) async -> Result<RedisLink, RedisProblem> {
        var open = configuration
        (open.user, open.password) = (nil, nil)
        let result = await RedisConnector(configuration: open, kind: .sentinel).connect(to: sentinel, on: eventLoop)
        guard case .failure(.notAuthenticated) = result, configuration.password != nil else { return result }
        return await RedisConnector(configuration: configuration, kind: .sentinel).connect(
            to: sentinel, on: eventLoop)
    }
}
