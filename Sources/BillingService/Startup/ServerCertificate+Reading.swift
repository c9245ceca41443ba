import Adapters
import Logging
import Metrics
import NIOPosix

extension ServerCertificate {
    /// The settings that name the files of a certificate.
    struct FileSettings {
        var certificate: Setting<String>
        var key: Setting<String>

        /// nil if client certificates are not supported.
        var clientCA: Setting<String>?
    }

    /// - Parameter settings: The settings that name the files.
    /// - Throws: A problem of the setting whose file cannot be used.
    static func read(
        _ files: Files, named settings: FileSettings,
        _ group: MultiThreadedEventLoopGroup, _ metrics: any MetricsFactory, _ logger: Logger
    ) throws(ConfigurationProblem) -> ServerCertificate {
        do throws(TLSFailure) {
            return try ServerCertificate(files, eventLoop: group.next(), metrics: metrics, logger: logger)
        } catch {
            let setting =
                switch error.file {
                case .key: settings.key
                case .trust: settings.clientCA ?? settings.certificate
                case .certificate, nil: settings.certificate
                }
            throw ConfigurationProblem(setting.definition, error)
        }
    }
}
