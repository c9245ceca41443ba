/// How the last call to Zoom ended, as far as it concerns all calls for the master account.
package enum ZoomHealth: Sendable, Equatable {
    /// There was no call yet.
    case unknown
    /// Zoom answered.
    case healthy
    /// Zoom refuses the credentials, or denies the app what it needs.
    case credentialsRefused
    /// Zoom fails or cannot be reached.
    case failing(ZoomProblem)
}
