import Adapters
import ArgumentParser
import Domain
import Logging
import NIOPosix

struct CredentialsVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Test the credentials of each master account at Zoom, and list the granted scopes.",
        discussion: """
            Requests an access token, and one sub account with it to test zoom.api-url. The token is then discarded.

            Exit codes: 0 all master accounts have the required scopes and Zoom's API responds, 1 otherwise, 64 wrong \
            usage, 78 wrong configuration.
            """)

    @Option(help: "Name of one master account (default: all).")
    var name: Name?

    @OptionGroup var fileFlags: CredentialsFileFlags
    @OptionGroup var zoom: SettingFlags<Settings.Zoom>

    func run() async throws {
        let (file, zoom) = try await FileSettings.reading(givenSettings, fileFlags.configuration) {
            settings, reader in
            (
                settings.credentials(required: &reader),
                ZoomSettings(&reader, environment: Invocation.environment)
            )
        }
        let configuration = try zoom.configuration()
        var masters = try file.read().masters
        if let name {
            masters = masters.filter { $0.name == name }
            guard !masters.isEmpty else { throw file.unknown(name) }
        }
        guard !masters.isEmpty else { throw CommandFailure("\(file.file.path): contains no master account") }
        var isGood = true
        for master in masters {
            let endpoint: ZoomMasters.Master
            do throws(MasterProblem) {
                endpoint = try ZoomMasters.Master(master, zoom.defaults)
            } catch {
                throw FileProblem(path: file.file.path, reason: "\(error)")
            }
            var configuration = configuration
            configuration.oauth = endpoint.oauth
            configuration.api = endpoint.api
            let report = await report(on: master.credentials, configuration)
            try Output.write(report.text)
            isGood = isGood && report.isGood
        }
        if !isGood { throw ExitCode(1) }
    }

    private func report(
        on credentials: MasterCredentials, _ configuration: ZoomConfiguration
    ) async -> (text: String, isGood: Bool) {
        let endpoint = TokenEndpoint(
            configuration: configuration, group: .singleton, time: SystemTime(), logger: Output.logger(.error))
        let result: Result<TokenGrant, ZoomFailure>
        do throws(ZoomFailure) {
            result = .success(try await endpoint.token(for: credentials))
        } catch {
            result = .failure(error)
        }
        await endpoint.close()
        switch result {
        case .success(let grant):
            let token = Self.report(on: credentials.name, grant)
            let api = await reportOnAPI(grant.accessToken, configuration)
            return (token.text + api.text, token.isGood && api.isGood)
        case .failure(let failure):
            return ("\(credentials.name): no token. \(failure.advice(configuration))\n", false)
        }
    }

    private func reportOnAPI(_ token: Secret, _ configuration: ZoomConfiguration) async -> (text: String, isGood: Bool)
    {
        let check = ZoomAPICheck(
            configuration: configuration, group: .singleton, time: SystemTime(), logger: Output.logger(.error))
        var failure: ZoomFailure?
        do throws(ZoomFailure) {
            try await check.run(token: token)
        } catch {
            failure = error
        }
        await check.close()
        guard let failure else { return ("  Zoom's API responds at \(configuration.api.text)\n", true) }
        guard let problem = ZoomProblem(failure, configuration) else {
            return ("  Zoom's API could not be tested: try again later\n", false)
        }
        return ("  NO RESPONSE FROM ZOOM'S API. \(problem.reason): \(problem.remedy)\n", false)
    }

    private static func report(on name: Name, _ grant: TokenGrant) -> (text: String, isGood: Bool) {
        var text = "\(name): Zoom issued a token, valid for \(grant.lifetime.components.seconds) s\n"
        guard let scopes = grant.scopes else {
            return (text + "  Zoom did not list its scopes\n", true)
        }
        text += "  scopes: \(scopes.isEmpty ? "none" : scopes.sorted().joined(separator: " "))\n"
        var isGood = true
        for operation in Operation.allCases {
            let needed = operation.endpoint.scopes
            if let scope = needed.first(where: scopes.contains) {
                text += "  \(operation.title): permitted by \(scope)\n"
            } else {
                isGood = false
                text +=
                    "  \(operation.title): NOT PERMITTED, requires one of \(needed.joined(separator: ", "))\n"
            }
        }
        if !isGood {
            text +=
                "  add the missing scopes to the app in the Zoom App Marketplace and activate it again; Zoom may take "
                + "until the next day\n"
        }
        return (text, isGood)
    }
}

extension ZoomFailure {
    /// Why no token was issued, and how to fix it.
    fileprivate func advice(_ configuration: ZoomConfiguration) -> String {
        if case .credentials(let fault) = self { return fault.advice }
        guard let problem = ZoomProblem(obtainingToken: self, configuration) else { return "Try again later" }
        return "\(problem.reason): \(problem.remedy)"
    }
}

extension CredentialsFault {
    fileprivate var advice: String {
        switch self {
        case .client:
            "Zoom does not know the client id, or the secret does not match: compare both with the app's page in the Zoom "
                + "App Marketplace (a regenerated secret replaces the old one), then run billing-service credentials rotate"
        case .account:
            "Zoom rejects the account id: use the one on the app's page in the Zoom App Marketplace, which is the account "
                + "that the app belongs to"
        case .disabled: "The app is disabled: activate it in the Zoom App Marketplace"
        case .missing, .unexplained:
            "Zoom rejects the credentials without a reason: check that the app is of the type Server-to-Server OAuth, is "
                + "activated, and has these credentials"
        }
    }
}
