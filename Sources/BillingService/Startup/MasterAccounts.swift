import Adapters
import Domain
import Logging
import Metrics
import NIOCore
import ServiceLifecycle

/// The master accounts of the credentials file, which is reloaded when it changes, or of an embedded sandbox.
struct MasterAccounts: CredentialsStore {
    struct Content: Sendable, Equatable {
        let document: CredentialsDocument
        let masters: [ZoomMasters.Master]

        init(_ document: CredentialsDocument, _ defaults: ZoomSettings.Defaults) throws(MasterProblem) {
            self.document = document
            var masters: [ZoomMasters.Master] = []
            for master in document.masters { masters.append(try ZoomMasters.Master(master, defaults)) }
            self.masters = masters
        }
    }

    let file: ReloadedFile<Content>

    /// - Parameter defaults: For master accounts that do not override them.
    init(
        _ credentials: CredentialsFile, defaults: ZoomSettings.Defaults, eventLoop: any EventLoop,
        metrics: any MetricsFactory, logger: Logger
    ) throws(FileProblem) {
        file = try ReloadedFile(
            "credentials", files: credentials.files, eventLoop: eventLoop, metrics: metrics, logger: logger
        ) { () throws(FileProblem) in
            let document = try credentials.read()
            do throws(MasterProblem) {
                return try Content(document, defaults)
            } catch {
                throw FileProblem(path: credentials.file.path, reason: "\(error)")
            }
        }
    }

    /// The master account of a sandbox's app. It is in no file, so nothing must be removed when the program ends.
    init(
        _ app: SandboxConfiguration.App, defaults: ZoomSettings.Defaults, eventLoop: any EventLoop, logger: Logger
    ) throws(FileProblem) {
        let document = CredentialsDocument(masters: [.init(MasterCredentials(app))])
        file = try ReloadedFile("credentials", files: [], eventLoop: eventLoop, logger: logger) {
            () throws(FileProblem) in
            do throws(MasterProblem) {
                return try Content(document, defaults)
            } catch {
                preconditionFailure("the sandbox does not override hosts: \(error)")
            }
        }
    }

    /// Timeout of reading the file, after which the last valid credentials are used.
    private static let readTimeout = Duration.seconds(3)

    /// Reads the file again if it has changed, since the credentials are used to request a token.
    func credentials(of master: Name) async throws(BillingFailure) -> MasterCredentials {
        await file.refresh(within: Self.readTimeout)
        guard let master = file.value.document[master] else { throw .credentialsRefused }
        return master.credentials
    }

    var names: Set<Name> { Set(file.value.document.masters.map(\.name)) }

    /// A service that applies each change to `zoom`, and clears the caches if the master accounts have changed.
    func follower(
        _ zoom: ZoomMasters, _ cache: BillingCache, _ lists: AccountListCache, _ invoiceOwners: InvoiceOwners
    ) -> some Service {
        Follower(file: file, zoom: zoom, cache: cache, lists: lists, invoiceOwners: invoiceOwners)
    }

    private struct Follower: Service {
        let file: ReloadedFile<Content>
        let zoom: ZoomMasters
        let cache: BillingCache
        let lists: AccountListCache
        let invoiceOwners: InvoiceOwners

        func run() async throws {
            await cancelWhenGracefulShutdown {
                // `zoom` was created with the first version.
                var version = 0
                var masters = file.value.masters
                while !Task.isCancelled {
                    await file.change(since: version)
                    let (content, now) = file.versioned
                    guard now != version else { continue }
                    version = now
                    await zoom.update(content.masters)
                    if content.masters != masters {
                        cache.removeAll()
                        lists.removeAll()
                        invoiceOwners.removeAll()
                    }
                    masters = content.masters
                    await zoom.obtainTokens()
                }
            }
        }
    }
}

/// A member of a master account cannot be used.
struct MasterProblem: Error, CustomStringConvertible {
    let description: String
}

extension ZoomMasters.Master {
    init(_ master: CredentialsDocument.Master, _ defaults: ZoomSettings.Defaults) throws(MasterProblem) {
        func endpoint(
            _ endpoint: ZoomConfiguration.ServiceURL, on host: String?, member: String
        ) throws(MasterProblem) -> ZoomConfiguration.ServiceURL {
            do throws(HTTPURL.Problem) {
                return try endpoint.on(host)
            } catch {
                throw MasterProblem(description: "the \"\(member)\" of \(master.name): \(error)")
            }
        }
        var plan = defaults.plan
        if let text = master.plan {
            guard let named = ZoomPlan(rawValue: text) else {
                let plans = ZoomPlan.allCases.map(\.rawValue).joined(separator: ", ")
                throw MasterProblem(description: "the \"plan\" of \(master.name) is not one of \(plans)")
            }
            plan = named
        }
        self.init(
            name: master.name, accountID: master.credentials.accountID,
            api: try endpoint(defaults.api, on: master.apiHost, member: "api_host"),
            oauth: try endpoint(defaults.oauth, on: master.oauthHost, member: "oauth_host"),
            rates: plan.map { $0.rates(share: master.rateShare ?? defaults.rateShare) } ?? [:])
    }
}
