/// Shares access tokens between replicas. This is an optimization: a replica that finds no token within some seconds
/// obtains its own.
package protocol SharedTokens: Sendable {
    /// The token stored last.
    func token(for credentials: MasterCredentials) async -> AccessToken?

    /// Asks for the right to request a new token, which one replica has at a time. It ends with `put` or `endRefresh`, or
    /// after some seconds, so that a replica that is killed blocks the others only for a moment.
    func beginRefresh(for credentials: MasterCredentials) async -> TokenRefreshRight

    /// Stores a token.
    ///
    /// - Parameter fence: The number of the right to refresh. A store that has such rights ignores the token if it has
    ///   granted a later one. Without a number, the token counts as the latest.
    func put(_ token: AccessToken, for credentials: MasterCredentials, fence: TokenFence?) async

    /// Gives up the right to refresh, since no token was obtained.
    func endRefresh(_ fence: TokenFence, for credentials: MasterCredentials) async
}

/// The answer to `SharedTokens.beginRefresh`.
package enum TokenRefreshRight: Sendable, Equatable {
    case granted(TokenFence)
    /// Another replica has the right.
    case held
    /// The store has no such rights, or cannot be reached: each replica obtains its own token.
    case none
}

/// The number of a right to refresh a token. Later rights have greater numbers.
package struct TokenFence: Sendable, Equatable {
    package let number: Int64

    package init(number: Int64) {
        self.number = number
    }
}

extension SharedTokens {
    package func beginRefresh(for credentials: MasterCredentials) async -> TokenRefreshRight { .none }

    package func endRefresh(_ fence: TokenFence, for credentials: MasterCredentials) async {}

    package func put(_ token: AccessToken, for credentials: MasterCredentials) async {
        await put(token, for: credentials, fence: nil)
    }
}
