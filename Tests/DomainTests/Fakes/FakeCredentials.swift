package import Domain
import Synchronization

/// Credentials that a test changes.
package final class FakeCredentials: CredentialsStore {
    private struct State {
        var masters: [Name: MasterCredentials]
        var reads = 0
    }

    private let state: Mutex<State>

    package init(_ masters: [MasterCredentials]) {
        state = Mutex(State(masters: Dictionary(uniqueKeysWithValues: masters.map { ($0.name, $0) })))
    }

    package func set(_ master: MasterCredentials) {
        state.withLock { $0.masters[master.name] = master }
    }

    /// How often they were asked for.
    package var reads: Int { state.withLock { $0.reads } }

    package func credentials(of master: Name) async throws(BillingFailure) -> MasterCredentials {
        let credentials = state.withLock { state in
            state.reads += 1
            return state.masters[master]
        }
        guard let credentials else { throw .credentialsRefused }
        return credentials
    }
}
