import Adapters

extension ConfigurationProblem {
    /// Names the setting that a listener could not be opened for.
    init(_ failure: BindFailure, host: Setting, port: Setting) {
        self.init(lines: ["\((failure.isOfHost ? host : port).key): \(failure)"])
    }

    /// Runs what opens a listener.
    ///
    /// - Throws: A problem with one of the settings; otherwise what `open` throws.
    static func naming<Listener>(
        host: Setting, port: Setting, _ open: () async throws -> Listener
    ) async throws -> Listener {
        do {
            return try await open()
        } catch let failure as BindFailure {
            throw ConfigurationProblem(failure, host: host, port: port)
        }
    }
}
