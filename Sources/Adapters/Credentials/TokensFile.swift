package import Domain
package import Logging

/// A file in which the replicas of a service share access tokens: where Zoom lets only the newest token live, each replica
/// would end the tokens of the others.
package struct TokensFile: SharedTokens {
    /// Each of up to a thousand masters has a token of a few thousand bytes.
    private static let bytesMax = 8 << 20

    /// How long a caller waits for the file. A replica that hangs may hold its lock, and nothing depends on the file.
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
        let found: AccessToken?? = await waiting {
            guard file.stamp != nil else { return .success(nil) }
            do throws(FileProblem) {
                return .success(try content.read().tokens[.init(credentials)])
            } catch {
                return .failure(error)
            }
        }
        return found ?? nil
    }

    package func put(_ token: AccessToken, for credentials: MasterCredentials) async {
        let now = time.timestamp
        let _: Void? = await waiting {
            do throws(FileProblem) {
                // A file that cannot be read is begun anew: its tokens are obtained again.
                try content.update(beginsAnew: true) { document in
                    document.tokens = document.tokens.filter { $0.value.expires > now }
                    document.tokens[.init(credentials)] = token
                }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
    }

    /// Calls the file system in its queue, and goes on without the file if that takes too long.
    private func waiting<Value: Sendable>(
        _ body: @escaping @Sendable () -> Result<Value, FileProblem>
    ) async -> Value? {
        let result = await queue.run(
            within: { [time] in _ = try? await time.sleep(until: time.now + Self.waitMax) }, body)
        switch result {
        case .success(let value): return value
        case .failure(let problem): say(problem)
        case nil:
            say(FileProblem(path: file.path, reason: "no answer of the file system, or its lock is held elsewhere"))
        }
        return nil
    }

    private func say(_ problem: FileProblem) {
        logger.warning("access tokens are not shared with other replicas", metadata: ["reason": "\(problem)"])
    }
}
