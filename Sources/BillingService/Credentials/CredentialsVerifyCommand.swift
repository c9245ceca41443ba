import Adapters
import ArgumentParser
import Domain
import FoundationEssentials
import Logging
import NIOPosix

struct CredentialsVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Ask Zoom for a token with each master account's credentials, and say what it may be used for.",
        discussion: """
            With the token Zoom's API is asked for one sub account, to see whether it is at zoom.api-url. Then the token is \
            thrown away.

            Exit codes: 0 every master account has a token that carries what this service needs, and Zoom's API answers, \
            1 one has not, or Zoom could not be asked, 64 wrong usage, 78 wrong configuration.
            """)

    @Option(help: "The name of one master account; all of them if not given.")
    var name: Name?

    @OptionGroup var fileFlags: CredentialsFileFlags
    @OptionGroup var zoomFlags: ZoomFlags

    func run() async throws {
        let (file, zoom) = try await FileSettings.reading(fileFlags.flags + [zoomFlags], fileFlags.configuration) {
            settings, reader in
            (
                settings.credentials(needed: &reader),
                ZoomSettings(&reader, environment: Invocation.environment)
            )
        }
        let configuration = try zoom.configuration()
        var masters = try file.read().masters
        if let name {
            masters = masters.filter { $0.name == name }
            guard !masters.isEmpty else { throw file.unknown(name) }
        }
        guard !masters.isEmpty else { throw CommandFailure("\(file.file.path): there is no master account in it") }
        var isGood = true
        for master in masters {
            let endpoint: ZoomMasters.Master
            do throws(EndpointProblem) {
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
        guard let failure else { return ("  Zoom's API answers at \(configuration.api.text)\n", true) }
        guard let problem = ZoomProblem(failure, configuration) else {
            return ("  Zoom's API could not be asked: try again later\n", false)
        }
        return ("  NO ANSWER OF ZOOM'S API. \(problem.reason): \(problem.remedy)\n", false)
    }

    private static func report(on name: Name, _ grant: TokenGrant) -> (text: String, isGood: Bool) {
        var text = "\(name): Zoom gives a token that lives for \(grant.lifetime.components.seconds) s\n"
        guard let scopes = grant.scopes else {
            return (text + "  Zoom does not say which scopes it carries\n", true)
        }
        text += "  it carries: \(scopes.isEmpty ? "no scope" : scopes.sorted().joined(separator: " "))\n"
        var isGood = true
        for operation in Operation.allCases {
            let needed = operation.endpoint.scopes
            if let scope = needed.first(where: scopes.contains) {
                text += "  \(operation.rawValue): permitted by \(scope)\n"
            } else {
                isGood = false
                text +=
                    "  \(operation.rawValue): NOT PERMITTED, it takes one of \(needed.joined(separator: ", "))\n"
            }
        }
        if !isGood {
            text +=
                "  add what is missing to the app's scopes in the Zoom App Marketplace and activate it again; Zoom "
                + "may need until the next day\n"
        }
        return (text, isGood)
    }
}

extension ZoomFailure {
    /// Why there is no token, and what to do.
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
            "Zoom does not know the client id, or the secret is not its own: compare both with the app's page in the Zoom "
                + "App Marketplace (a secret that was made anew there replaces the old one), then run billing-service "
                + "credentials rotate"
        case .account:
            "Zoom does not take the account id: it must be the one on the app's page in the Zoom App Marketplace, of the "
                + "account that the app belongs to"
        case .disabled: "The app is disabled: activate it in the Zoom App Marketplace"
        case .missing, .unexplained:
            "Zoom refuses the credentials without saying why: look whether the app is of the type Server-to-Server OAuth, "
                + "activated, and has these credentials"
        }
    }
}
