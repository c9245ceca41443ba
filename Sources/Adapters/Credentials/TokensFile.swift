package import Domain
package import Logging

/// A file in which replicas share access tokens. Needed where Zoom revokes older tokens of an app, since each replica's token
/// would otherwise revoke those of the others.
package struct TokensFile: SharedTokens {
    /// Room for a thousand master accounts with tokens of a few thousand bytes.
    private static let bytesMax = 8 << 20

    /// Maximum wait for the file, since a hanging replica may hold its lock. The service works without the file.
    private static let waitMax = Duration.seconds(3)

    private let file: PrivateFile
    private let content: SealedFile<TokensDocument>
    private let time: any TimeSource
    private let logger: Logger
    private let queue = FileQueue()

    package init(_ file: PrivateFile, keys: SealingKeys = .none, time: any TimeSource, logger: Logger) {
        let file = file.limited(to: Self.bytesMax)
        self.file = file
        content = SealedFile(file, keys: keys)
        self.time = time
        self.logger = logger
    }

    package func token(for credentials: MasterCredentials) async -> AccessToken? {
        let found: AccessToken?? = await onQueue {
            guard file.stamp != nil else { return .success(nil) }
            do throws(FileProblem) {
                return .success(try content.read().tokens[.init(credentials)])
            } catch {
                return .failure(error)
            }
        }
        return found ?? nil
    }

    package func put(_ token: AccessToken, for credentials: MasterCredentials, fence: TokenFence?) async {
        let now = time.timestamp
        let _: Void? = await onQueue {
            do throws(FileProblem) {
                // An unreadable file is replaced, since its tokens can be requested again.
                try content.update(replacesUnreadable: true) { document in
                    document.tokens = document.tokens.filter { $0.value.expires > now }
                    document.tokens[.init(credentials)] = token
                }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
    }

    /// Runs `body` on the file queue. Returns `nil`, after a warning, if it fails or takes too long.
    private func onQueue<Value: Sendable>(
        _ body: @escaping @Sendable () -> Result<Value, FileProblem>
    ) async -> Value? {
        let result = await queue.run(
            within: { [time] in _ = try? await time.sleep(until: time.now + Self.waitMax) }, body)
        switch result {
        case .success(let value): return value
        case .failure(let problem): warn(problem)
        case nil:
            warn(
                FileProblem(
                    path: file.path, reason: "the file system does not respond, or another program holds the lock"))
        }
        return nil
    }

    private func warn(_ problem: FileProblem) {
        logger.warning("access tokens are not shared with other replicas", metadata: ["reason": "\(problem)"])
    }
}
