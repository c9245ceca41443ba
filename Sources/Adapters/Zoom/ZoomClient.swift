package import Domain
import FoundationEssentials
package import Logging
import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// Zoom's Billing API as the domain's ports: one master account, one connection, one pace.
package final class ZoomClient: ContactSource, SubAccountDirectory, Service {
    private let configuration: ZoomConfiguration
    private let http: HTTPClient
    private let tokens: AccessTokens
    private let oauth: HTTPClient
    private let gate: RateGate?
    private let time: any TimeSource
    private let logger: Logger
    private let lastOutcome = Mutex(Standing.notAsked)

    /// How the last call to Zoom went, as far as it says something about all calls.
    package enum Standing: Sendable, Equatable {
        case notAsked
        case good
        /// Zoom refuses our credentials, or what they may do.
        case refused
        case unreachable
    }

    package var standing: Standing { lastOutcome.withLock { $0 } }

    /// The most that Zoom gives out at a time (Zoom: List sub accounts).
    private static let pageSize = 300

    /// Ten million accounts; a list that is longer does not end.
    private static let pagesMax = 33_334

    package init(
        configuration: ZoomConfiguration, credentials: any CredentialsStore, group: MultiThreadedEventLoopGroup,
        time: any TimeSource, logger: Logger
    ) {
        self.configuration = configuration
        self.time = time
        self.logger = logger
        let connect = { (origin: Origin) in
            HTTPClient(origin: origin, group: group, configuration: configuration.http, logger: logger)
        }
        let oauth = connect(configuration.oauth.origin)
        self.oauth = oauth
        http = connect(configuration.api.origin)
        gate = configuration.requestsPerSecond.map { perSecond in
            RateGate(perSecond: perSecond, waitMax: configuration.waitMax, time: time)
        }
        tokens = AccessTokens(time: time, logger: logger) { () async throws(ZoomFailure) in
            try await Self.fetchToken(with: credentials, from: configuration, over: oauth)
        }
    }

    /// Keeps the connections until the service shuts down.
    package func run() async throws {
        try? await gracefulShutdown()
        gate?.close()
        await tokens.close()
        await http.close()
        await oauth.close()
    }

    // MARK: Ports

    package func billing(of account: AccountID, for purpose: Purpose) async throws(BillingFailure) -> AccountBilling {
        do throws(ZoomFailure) {
            // An account id needs no escaping in a path segment: that is what makes it one.
            let object = try await get(
                "/accounts/\(account)/billing", bodyBytesMax: configuration.bodyBytesMax, for: purpose)
            let contact = try ZoomAnswer.contact(object)
            if !contact.missing.isEmpty {
                logger.info(
                    "Zoom left out fields of a billing contact",
                    metadata: ["account": "\(account)", "fields": "\(contact.missing.count)"])
            }
            return .masterPays(contact)
        } catch {
            if error.isSelfPay { return .selfPay }
            throw translate(error, account: account)
        }
    }

    package func subAccounts() async throws(BillingFailure) -> [AccountID] {
        do throws(ZoomFailure) {
            var accounts: [AccountID] = []
            var target = "/accounts?page_size=\(Self.pageSize)"
            for _ in 0..<Self.pagesMax {
                let object = try await get(target, bodyBytesMax: configuration.listBodyBytesMax, for: .bulk)
                let page = try ZoomAnswer.accountPage(object)
                accounts += page.accounts
                guard let token = page.nextPageToken else { return accounts }
                target = "/accounts?page_size=\(Self.pageSize)&next_page_token=\(PercentEncoding.encode(token))"
            }
            throw .unreadable
        } catch {
            throw translate(error, account: nil)
        }
    }

    // MARK: Calls

    /// A GET, repeated once with a new token if Zoom does not know the one it was given, and once on a new connection
    /// if the one at hand was lost: reading twice does no harm.
    private func get(
        _ target: String, bodyBytesMax: Int, for purpose: Purpose
    ) async throws(ZoomFailure) -> JSONObject {
        var hasRenewed = false
        var hasReconnected = false
        while true {
            try await gate?.pass(purpose)
            let token = try await tokens.token()
            do throws(ZoomFailure) {
                let object = try await send(target, token: token, bodyBytesMax: bodyBytesMax)
                note(.good)
                return object
            } catch {
                if error.isTokenRefused, !hasRenewed {
                    hasRenewed = true
                    await tokens.refused(token)
                } else if error.isConnectionFault, !hasReconnected {
                    hasReconnected = true
                } else {
                    throw error
                }
            }
        }
    }

    private func send(_ target: String, token: Secret, bodyBytesMax: Int) async throws(ZoomFailure) -> JSONObject {
        var request = ClientRequest(
            method: "GET", scheme: http.origin.scheme.rawValue, authority: http.origin.authority,
            target: configuration.api.path + target)
        request.fields.append(.authorization, "Bearer \(token.reveal())")
        // Without it Zoom has been seen to answer errors in XML.
        request.fields.append(.accept, "application/json")
        request.fields.append(.acceptEncoding, "gzip")
        request.fields.append(.userAgent, Self.userAgent)
        if let traceparent = TraceContext.traceparent { request.fields.append(.traceparent, traceparent) }
        let response: ClientResponse
        do throws(HTTPFailure) {
            response = try await http.exchange(
                request, bodyBytesMax: bodyBytesMax, timeout: configuration.timeout)
        } catch {
            throw .transport(error)
        }
        return try ZoomAnswer.object(of: response, now: time.timestamp)
    }

    private static let userAgent = "billing-service"

    /// The Server-to-Server OAuth grant (Zoom: Server-to-Server OAuth).
    private static func fetchToken(
        with credentials: any CredentialsStore, from configuration: ZoomConfiguration, over oauth: HTTPClient
    ) async throws(ZoomFailure) -> ZoomAnswer.TokenGrant {
        let response = try await tokenResponse(with: credentials, from: configuration, over: oauth)
        return try ZoomAnswer.tokenGrant(response)
    }

    private static func tokenResponse(
        with credentials: any CredentialsStore, from configuration: ZoomConfiguration, over oauth: HTTPClient
    ) async throws(ZoomFailure) -> ClientResponse {
        let master: MasterCredentials
        do throws(BillingFailure) {
            master = try await credentials.masterCredentials()
        } catch {
            throw .credentials
        }
        let body = "grant_type=account_credentials&account_id=\(PercentEncoding.encode(master.accountID.rawValue))"
        var request = ClientRequest(
            method: "POST", scheme: oauth.origin.scheme.rawValue, authority: oauth.origin.authority,
            target: configuration.oauth.path, body: ByteBuffer(string: body))
        let basic = Data("\(master.clientID):\(master.clientSecret.reveal())".utf8).base64EncodedString()
        request.fields.append(.authorization, "Basic \(basic)")
        request.fields.append(.contentType, "application/x-www-form-urlencoded")
        request.fields.append(.contentLength, body.utf8.count)
        request.fields.append(.accept, "application/json")
        request.fields.append(.userAgent, userAgent)
        // Once more if the connection was lost: it has mostly been idle for an hour, and a second token does no harm.
        var hasReconnected = false
        while true {
            do throws(HTTPFailure) {
                return try await oauth.exchange(
                    request, bodyBytesMax: configuration.bodyBytesMax, timeout: configuration.timeout)
            } catch {
                let failure = ZoomFailure.transport(error)
                guard failure.isConnectionFault, !hasReconnected else { throw failure }
                hasReconnected = true
            }
        }
    }

    private func note(_ standing: Standing) {
        lastOutcome.withLock { $0 = standing }
    }

    private func translate(_ failure: ZoomFailure, account: AccountID?) -> BillingFailure {
        let translated = failure.billingFailure(account: account)
        switch translated {
        case .credentialsRefused:
            note(.refused)
            logger.warning("Zoom refused our credentials", metadata: ["reason": "\(failure.reason)"])
        case .sourceFailed, .timedOut:
            note(.unreachable)
            logger.debug("a call to Zoom failed", metadata: ["reason": "\(failure.reason)"])
        case .selfPay, .accountNotFound:
            note(.good)
        case .invalid, .scopeMissing, .budgetSpent, .cancelled:
            break
        }
        return translated
    }
}

extension ZoomFailure {
    /// The connection, not the request, was at fault.
    fileprivate var isConnectionFault: Bool {
        switch self {
        case .transport(let failure): failure.isUnprocessed || failure == .connectionLost
        case .api, .unreadable, .paced, .credentials: false
        }
    }

    /// For the log: status and code, never Zoom's text, which may hold what was sent.
    var reason: String {
        switch self {
        case .api(let status, let code, _, _): "status \(status), code \(code.map(String.init) ?? "none")"
        case .transport(let failure): "\(failure)"
        case .unreadable: "unreadable answer"
        case .paced: "own pace"
        case .credentials: "credentials missing or refused"
        }
    }
}
