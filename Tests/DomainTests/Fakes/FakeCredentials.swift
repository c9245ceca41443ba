package import Domain
import Synchronization

/// Credentials that a test can change.
package final class FakeCredentials: CredentialsStore {
    private struct State {
        var masters: [Name: MasterCredentials]
        var reads = 0
        var change: (master: MasterCredentials, afterReads: Int)?
    }

    private let state: Mutex<State>

    package init(_ masters: [MasterCredentials]) {
        state = Mutex(State(masters: Dictionary(uniqueKeysWithValues: masters.map { ($0.name, $0) })))
    }

    package func set(_ master: MasterCredentials) {
        state.withLock { $0.masters[master.name] = master }
    }

    /// Sets the credentials after this many further reads.
    package func set(_ master: MasterCredentials, afterReads reads: Int) {
        state.withLock { $0.change = (master, $0.reads + reads) }
    }

    /// The number of reads.
    package var reads: Int { state.withLock { $0.reads } }

    package func credentials(of master: Name) async throws(BillingFailure) -> MasterCredentials {
        let credentials = state.withLock { state in
            state.reads += 1
            let found = state.masters[master]
            if let change = state.change, state.reads >= change.afterReads {
                state.masters[change.master.name] = change.master
                state.change = nil
            }
            return found
        }
        guard let credentials else { throw .credentialsRefused }
        return credentials
    }
}
