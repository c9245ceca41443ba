import Adapters
import ServiceLifecycle

/// The certificate of the API listener, if it uses TLS.
struct CertificatePart: ApplicationPart {
    let certificate: ServerCertificate?

    /// - Throws: `ConfigurationProblem` for a file that cannot be used.
    init(_ files: ServerCertificate.Files?, _ context: ApplicationContext) throws(ConfigurationProblem) {
        guard let files else {
            certificate = nil
            return
        }
        let settings = Settings.http
        certificate = try ServerCertificate.read(
            files,
            named: .init(
                certificate: settings.tlsCertificate, key: settings.tlsKey, clientCA: settings.tlsClientCA),
            context.opsGroup, context.metrics, context.logger)
    }

    var services: [any Service] { certificate.map { [$0] } ?? [] }

    var checks: [Health.Check] {
        certificate.map { certificate in [Health.Check("certificate") { certificate.finding }] } ?? []
    }

    func registerCollectors(in metrics: MetricsRegistry) {
        if let certificate { metrics.collect(from: certificate) }
    }
}
