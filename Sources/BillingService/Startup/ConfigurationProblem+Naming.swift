import Adapters

extension ConfigurationProblem {
    /// Reads the file of a setting.
    ///
    /// - Throws: The `FileProblem` as a problem of the setting.
    static func naming<Value>(
        _ setting: Setting<String>, _ read: () throws(FileProblem) -> Value
    ) throws(ConfigurationProblem) -> Value {
        do throws(FileProblem) {
            return try read()
        } catch {
            throw ConfigurationProblem(setting.definition, error)
        }
    }

    /// Opens a listener.
    ///
    /// - Throws: A `BindFailure` as a problem of one of the settings; otherwise the error of `open`.
    static func naming<Listener>(
        host: Setting<String>, port: Setting<Int>, _ open: () async throws -> Listener
    ) async throws -> Listener {
        do {
            return try await open()
        } catch let failure as BindFailure {
            throw ConfigurationProblem(failure.isOfHost ? host.definition : port.definition, failure)
        }
    }
}
