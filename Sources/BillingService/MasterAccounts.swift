import Adapters
import Domain
import Logging
import Metrics
import NIOCore
import ServiceLifecycle

/// The master accounts of the credentials file as they are now, or of the embedded sandbox, and how Zoom is asked about each.
struct MasterAccounts: CredentialsStore {
    struct Content: Sendable, Equatable {
        let document: CredentialsDocument
        let masters: [ZoomMasters.Master]

        init(_ document: CredentialsDocument, _ defaults: ZoomSettings.Defaults) throws(EndpointProblem) {
            self.document = document
            var masters: [ZoomMasters.Master] = []
            for master in document.masters { masters.append(try ZoomMasters.Master(master, defaults)) }
            self.masters = masters
        }
    }

    let file: ReloadedFile<Content>

    /// - Parameter defaults: For masters that say nothing else of themselves.
    init(
        _ credentials: CredentialsFile, defaults: ZoomSettings.Defaults, eventLoop: any EventLoop,
        metrics: any MetricsFactory, logger: Logger
    ) throws(FileProblem) {
        file = try ReloadedFile(
            "credentials", files: credentials.files, eventLoop: eventLoop, metrics: metrics, logger: logger
        ) { () throws(FileProblem) in
            let document = try credentials.read()
            do throws(EndpointProblem) {
                return try Content(document, defaults)
            } catch {
                throw FileProblem(path: credentials.file.path, reason: "\(error)")
            }
        }
    }

    /// The one of an app of a sandbox, in no file: there is nothing to be removed, however the program ends.
    init(
        _ app: SandboxConfiguration.App, defaults: ZoomSettings.Defaults, eventLoop: any EventLoop, logger: Logger
    ) throws(FileProblem) {
        let document = CredentialsDocument(masters: [.init(MasterCredentials(app))])
        file = try ReloadedFile("credentials", files: [], eventLoop: eventLoop, logger: logger) {
            () throws(FileProblem) in
            do throws(EndpointProblem) {
                return try Content(document, defaults)
            } catch {
                preconditionFailure("the sandbox has named no host: \(error)")
            }
        }
    }

    /// How long to wait for a file system that does not answer, before the last good credentials are used.
    private static let readTime = Duration.seconds(3)

    /// Read again if the file has changed: a token is asked for with them.
    func credentials(of master: Name) async throws(BillingFailure) -> MasterCredentials {
        await file.refresh(within: Self.readTime)
        guard let master = file.value.document[master] else { throw .credentialsRefused }
        return master.credentials
    }

    var names: Set<Name> { Set(file.value.document.masters.map(\.name)) }

    /// Tells `zoom` of every change, until the service shuts down. What `cache` and `lists` hold is of the masters as they were.
    func follower(_ zoom: ZoomMasters, _ cache: BillingCache, _ lists: AccountListCache) -> some Service {
        Follower(file: file, zoom: zoom, cache: cache, lists: lists)
    }

    private struct Follower: Service {
        let file: ReloadedFile<Content>
        let zoom: ZoomMasters
        let cache: BillingCache
        let lists: AccountListCache

        func run() async throws {
            await cancelWhenGracefulShutdown {
                // It was made with the first.
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
                    }
                    masters = content.masters
                    await zoom.obtainTokens()
                }
            }
        }
    }
}

extension ZoomMasters.Master {
    init(_ master: CredentialsDocument.Master, _ defaults: ZoomSettings.Defaults) throws(EndpointProblem) {
        func of(
            _ host: String?, _ endpoint: ZoomConfiguration.Endpoint, _ member: String
        ) throws(EndpointProblem) -> ZoomConfiguration.Endpoint {
            do throws(EndpointProblem) {
                return try endpoint.on(host)
            } catch {
                throw EndpointProblem(description: "the \"\(member)\" of \(master.name): \(error)")
            }
        }
        var plan = defaults.plan
        if let text = master.plan {
            guard let named = ZoomPlan(rawValue: text) else {
                let plans = ZoomPlan.allCases.map(\.rawValue).joined(separator: ", ")
                throw EndpointProblem(description: "the \"plan\" of \(master.name) is none of \(plans)")
            }
            plan = named
        }
        self.init(
            name: master.name, accountID: master.credentials.accountID,
            api: try of(master.apiHost, defaults.api, "api_host"),
            oauth: try of(master.oauthHost, defaults.oauth, "oauth_host"),
            rates: plan.map { $0.rates(share: master.rateShare ?? defaults.rateShare) } ?? [:])
    }
}
