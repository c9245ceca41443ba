package import Domain
package import Logging

/// A file in which the replicas of a service share access tokens: where Zoom lets only one of them live, each of them would
/// end those of the others.
package struct TokensFile: SharedTokens {
    private let file: PrivateFile
    private let content: SealedFile<TokensDocument>
    private let time: any TimeSource
    private let logger: Logger

    package init(_ file: PrivateFile, keys: SealingKeys = .none, time: any TimeSource, logger: Logger) {
        self.file = file
        content = SealedFile(file, keys: keys)
        self.time = time
        self.logger = logger
    }

    package func token(for credentials: MasterCredentials) -> AccessToken? {
        guard file.stamp != nil else { return nil }
        do throws(FileProblem) {
            return try content.read().tokens[.init(credentials)]
        } catch {
            say(error)
            return nil
        }
    }

    package func put(_ token: AccessToken, for credentials: MasterCredentials) {
        let now = time.timestamp
        do throws(FileProblem) {
            // Nothing is lost with what cannot be read: it is obtained again.
            try content.update(beginsAnew: true) { document in
                document.tokens = document.tokens.filter { $0.value.expires > now }
                document.tokens[.init(credentials)] = token
            }
        } catch {
            say(error)
        }
    }

    private func say(_ problem: FileProblem) {
        logger.warning("access tokens are not shared with other replicas", metadata: ["reason": "\(problem)"])
    }
}
