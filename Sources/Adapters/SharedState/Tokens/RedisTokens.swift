package import Domain
package import Logging

/// Access tokens in Redis, which all replicas share, encrypted with the keys of the credentials.
///
/// One replica at a time has the right to request a new token. A token of an earlier right never replaces one of a later
/// right, so in a world where a new token ends the older ones, the valid token is the one that is stored.
package struct RedisTokens: SharedTokens {
    /// The maximum time of a call. The service works without shared tokens.
    private static let callTime = Duration.seconds(1)

    /// The maximum wait for the file with the keys.
    private static let keysTime = Duration.seconds(3)

    /// The version of the stored form. Another version is no token.
    private static let version: UInt8 = 1

    private let client: RedisClient
    private let keys: SealingKeys
    private let time: any TimeSource
    private let logger: Logger
    private let queue = FileQueue()
    private let scripts = TokenScripts()

    package init(_ client: RedisClient, keys: SealingKeys, time: any TimeSource, logger: Logger) {
        self.client = client
        self.keys = keys
        self.time = time
        self.logger = logger
    }

    package func token(for credentials: MasterCredentials) async -> AccessToken? {
        let command = RedisCommand("HGET", [names(credentials)[0], Array("v".utf8)])
        guard
            let stored = await attempt(credentials, { () async throws(RedisFailure) in try await call(command) })?.bytes
        else {
            return nil
        }
        guard stored.first == Self.version, let keys = await sealingKeys() else { return nil }
        let content = Array(stored.dropFirst())
        do throws(DocumentProblem) {
            // A service that encrypts uses no token that was stored without its key.
            guard SealedFormat.isSealed(content) == !keys.isEmpty else { return nil }
            let text = keys.isEmpty ? content : try SealedFormat.open(content, with: keys)
            return try TokensDocument(parsing: text).tokens[.init(credentials)]
        } catch {
            logger.warning("the access token in Redis cannot be read", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    package func put(_ token: AccessToken, for credentials: MasterCredentials, fence: TokenFence?) async {
        let seconds = token.expires.secondsSinceEpoch - time.timestamp.secondsSinceEpoch
        guard seconds > 0, let keys = await sealingKeys() else { return }
        var document = TokensDocument()
        document.tokens[.init(credentials)] = token
        let content = keys.first.map { SealedFormat.seal(document.text, with: $0) } ?? document.text
        let number = fence.map { "\($0.number)" } ?? ""
        _ = await attempt(credentials) { () async throws(RedisFailure) in
            try await run(
                scripts.put, credentials,
                [Array(number.utf8), [Self.version] + content, Array("\(seconds * 1000)".utf8)])
        }
    }

    package func beginRefresh(for credentials: MasterCredentials) async -> TokenRefreshRight {
        let reply = await attempt(credentials) { () async throws(RedisFailure) in
            try await run(scripts.begin, credentials, [])
        }
        guard let reply else { return .none }
        return reply.integer.map { .granted(TokenFence(number: $0)) } ?? .held
    }

    package func endRefresh(_ fence: TokenFence, for credentials: MasterCredentials) async {
        _ = await attempt(credentials) { () async throws(RedisFailure) in
            try await run(scripts.end, credentials, [Array("\(fence.number)".utf8)])
        }
    }

    // MARK: Calls

    /// The keys of the token and of the right to refresh. The id of the app is not readable in Redis.
    private func names(_ credentials: MasterCredentials) -> [[UInt8]] {
        let app = SHA256Digest(of: "\(credentials.accountID)\n\(credentials.clientID)").hexadecimal
        return [
            client.configuration.key("token", "{\(app)}"), client.configuration.key("token", "{\(app)}", "refresh"),
        ]
    }

    private func call(_ command: RedisCommand) async throws(RedisFailure) -> RedisValue {
        try await client.call(command, within: Self.callTime)
    }

    private func run(
        _ script: RedisScript, _ credentials: MasterCredentials, _ arguments: [[UInt8]]
    ) async throws(RedisFailure) -> RedisValue {
        try await client.run(script, keys: names(credentials), arguments: arguments, within: Self.callTime)
    }

    /// The result of `body`; nil, after a warning, if it fails. Without a connection, the client has warned.
    private func attempt(
        _ credentials: MasterCredentials, _ body: () async throws(RedisFailure) -> RedisValue
    ) async -> RedisValue? {
        _ = await client.waitUntilConnected(to: names(credentials)[0], within: Self.callTime)
        do throws(RedisFailure) {
            return try await body()
        } catch {
            switch error {
            case .unavailable, .closed, .cancelled: break
            case .overloaded, .timedOut, .disconnected, .refused, .unexpectedReply:
                logger.warning("access tokens are not shared with other replicas", metadata: ["reason": "\(error)"])
            }
            return nil
        }
    }

    /// nil, after a warning, if they cannot be read.
    private func sealingKeys() async -> [SealingKey]? {
        let result: Result<[SealingKey], FileProblem>? = await queue.run(
            within: { [time] in _ = try? await time.sleep(until: time.now + Self.keysTime) },
            { [keys] in Result { () throws(FileProblem) in try keys.read() } })
        switch result {
        case .success(let keys): return keys
        case .failure(let problem):
            logger.warning("access tokens are not shared with other replicas", metadata: ["reason": "\(problem)"])
            return nil
        case nil: return nil
        }
    }
}
