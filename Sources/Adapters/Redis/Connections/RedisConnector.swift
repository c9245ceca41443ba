import NIOCore
import NIOPosix

/// An open connection to Redis that has passed the first commands.
struct RedisLink: Sendable {
    let channel: any Channel
    let connection: NIOLoopBound<RedisConnection>
    let ended: EventLoopFuture<RedisProblem>
    let address: RedisConfiguration.Address

    /// The slots of the cluster that the server belongs to; nil if it belongs to none.
    var slots: RedisSlotMap?

    func close(_ problem: RedisProblem = .closed) {
        channel.eventLoop.execute { connection.value.close(problem) }
    }

    func send(_ batch: RedisConnection.Batch) {
        channel.eventLoop.execute { connection.value.send(batch) }
    }

    /// Sends commands outside the client's queue, and returns their replies.
    func call(_ commands: [RedisCommand], deadline: NIODeadline) async -> RedisConnection.Replies {
        let batch = RedisConnection.Batch(
            bytes: RedisCommand.encoded(commands), count: commands.count, deadline: deadline, wait: RedisWait()
        ) {}
        send(batch)
        return await batch.wait.value(orWhenCancelled: .failure(.cancelled))
    }

    /// Waits for the end of the connection. If the task is cancelled, closes it.
    func untilEnd() async -> RedisProblem {
        let wait = RedisWait<RedisProblem>()
        ended.whenSuccess { wait.resolve($0) }
        return await withTaskCancellationHandler {
            await wait.value()
        } onCancel: {
            close()
        }
    }
}

/// Opens one connection: password, address lookup, TCP, TLS, and the first commands.
struct RedisConnector: Sendable {
    /// What the server is.
    enum Kind: Sendable {
        case server
        case sentinel
    }

    let configuration: RedisConfiguration
    var kind = Kind.server

    /// Opens a connection. If the task is cancelled, returns at once.
    func connect(
        to address: RedisConfiguration.Address, on eventLoop: any EventLoop
    ) async -> Result<RedisLink, RedisProblem> {
        let wait = RedisWait<Result<RedisLink, RedisProblem>>()
        eventLoop.execute {
            open(address, on: eventLoop).whenComplete { result in
                let result = result.mapError { $0 as? RedisProblem ?? .closedByPeer }
                if !wait.resolve(result), case .success(let link) = result { link.close() }
            }
        }
        return await wait.value(orWhenCancelled: .failure(.closed))
    }

    private func open(
        _ address: RedisConfiguration.Address, on eventLoop: any EventLoop
    ) -> EventLoopFuture<RedisLink> {
        let deadline = NIODeadline.now() + configuration.connect
        return readPassword(on: eventLoop).flatMap { password in
            lookUp(address, on: eventLoop).flatMap { addresses in
                openSocket(to: addresses, address, deadline, on: eventLoop)
            }.flatMap { link in
                start(link, password, deadline)
            }
        }
    }

    private func readPassword(on eventLoop: any EventLoop) -> EventLoopFuture<String?> {
        guard let password = configuration.password else { return eventLoop.makeSucceededFuture(nil) }
        return NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) {
            do {
                return try password()
            } catch {
                throw RedisProblem.passwordUnreadable("\(error)")
            }
        }
    }

    private func lookUp(
        _ address: RedisConfiguration.Address, on eventLoop: any EventLoop
    ) -> EventLoopFuture<[SocketAddress]> {
        AddressLookup.unrestricted.addresses(
            of: address.host, port: address.port, on: eventLoop, within: configuration.connect
        ).flatMapErrorThrowing { error in
            let cause: ConnectFailure.Cause =
                switch error {
                case is AddressLookup.TimedOut: .resolverTimedOut
                case is AddressLookup.Unknown: .unknownHost
                default: .resolverFailed
                }
            throw RedisProblem.notConnected(ConnectFailure(cause, origin: address.text))
        }
    }

    /// Opens a socket, and TLS if it is configured.
    private func openSocket(
        to addresses: [SocketAddress], _ address: RedisConfiguration.Address, _ deadline: NIODeadline,
        on eventLoop: any EventLoop
    ) -> EventLoopFuture<RedisLink> {
        ClientBootstrap(group: eventLoop)
            .resolver(FoundAddresses(addresses: addresses, eventLoop: eventLoop))
            .connectTimeout(max(deadline - .now(), .milliseconds(1)))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls = configuration.tls {
                        try pipeline.addHandler(TLSHandler(client: tls, host: address.host))
                    }
                    try pipeline.addHandler(RedisConnection(configuration, eventLoop: channel.eventLoop))
                }
            }
            .connect(host: address.host, port: address.port)
            .flatMapErrorThrowing { error in
                throw RedisProblem.notConnected(
                    ConnectFailure(ConnectFailure.Cause(connecting: error), origin: address.text))
            }
            .flatMap { channel in
                guard let handler = try? channel.pipeline.syncOperations.handler(type: RedisConnection.self) else {
                    return eventLoop.makeFailedFuture(RedisProblem.closedByPeer)
                }
                let connection = NIOLoopBound(handler, eventLoop: eventLoop)
                let timeout = eventLoop.scheduleTask(deadline: deadline) {
                    connection.value.close(.connectTimedOut)
                }
                let link = RedisLink(
                    channel: channel, connection: connection, ended: handler.ended.futureResult, address: address)
                let opened = handler.opened.futureResult
                opened.whenComplete { _ in timeout.cancel() }
                return opened.map { link }
            }
    }

    // MARK: First commands

    /// How a reply to one of the first commands is judged.
    private enum FirstCommand {
        /// The connection cannot be used if it is refused.
        case required
        /// An ACL may refuse it.
        case optional
        /// `ROLE`: a replica that belongs to no cluster cannot be used. An ACL may refuse it.
        case role
        /// `CLUSTER SLOTS`: refused by a server that belongs to no cluster.
        case slots
    }

    private func firstCommands(_ password: String?) -> [(RedisCommand, FirstCommand)] {
        var commands: [(RedisCommand, FirstCommand)] = []
        if let password {
            let names = configuration.user.map { [$0] } ?? []
            commands.append((RedisCommand("AUTH", (names + [password]).map { Array($0.utf8) }), .required))
        }
        if configuration.database != 0 {
            commands.append((RedisCommand("SELECT", String(configuration.database)), .required))
        }
        commands.append((RedisCommand("CLIENT", "SETNAME", configuration.clientName), .optional))
        switch kind {
        case .server: commands += [(RedisCommand("ROLE"), .role), (RedisCommand("CLUSTER", "SLOTS"), .slots)]
        case .sentinel: break
        }
        // Refused while Redis loads its data, and without a password that it demands.
        commands.append((RedisCommand("PING"), .required))
        return commands
    }

    private func start(
        _ link: RedisLink, _ password: String?, _ deadline: NIODeadline
    ) -> EventLoopFuture<RedisLink> {
        let commands = firstCommands(password)
        let eventLoop = link.channel.eventLoop
        let promise = eventLoop.makePromise(of: RedisLink.self)
        let wait = RedisWait<RedisConnection.Replies>()
        let timeout = eventLoop.scheduleTask(deadline: deadline) {
            link.connection.value.close(.connectTimedOut)
        }
        let kinds = commands.map { (name: $0.0.name, kind: $0.1) }
        link.connection.value.send(
            RedisConnection.Batch(
                bytes: RedisCommand.encoded(commands.map(\.0)), count: commands.count, deadline: .distantFuture,
                wait: wait, checksErrors: false
            ) {
                timeout.cancel()
                let connection = link.connection.value
                guard case .success(let replies)? = wait.result else {
                    promise.fail(connection.problem ?? .closedByPeer)
                    return
                }
                do throws(RedisProblem) {
                    var link = link
                    link.slots = try Self.slots(in: replies, of: kinds, from: link.address)
                    promise.succeed(link)
                } catch {
                    connection.close(error)
                    promise.fail(error)
                }
            })
        return promise.futureResult
    }

    /// - Returns: The slots of the server's cluster; nil if it belongs to none.
    /// - Throws: Why the connection cannot be used.
    private static func slots(
        in replies: [RedisValue], of commands: [(name: String, kind: FirstCommand)],
        from address: RedisConfiguration.Address
    ) throws(RedisProblem) -> RedisSlotMap? {
        var slots: RedisSlotMap?
        var isReplica = false
        for (reply, command) in zip(replies, commands) {
            switch (reply, command.kind) {
            case (.error(let error), .required):
                throw RedisProblem(error) ?? .refused(command: command.name, error)
            case (.array(let role), .role): isReplica = role.first != .text("master")
            case (_, .slots): slots = RedisSlotMap(reply, from: address)
            case (.error, .optional), (.error, .role), (.null, _), (.integer, _), (.text, _), (.array, _): break
            }
        }
        if isReplica, slots == nil { throw .replica }
        return slots
    }
}
