package import Domain
package import Logging
package import Metrics
package import NIOCore

/// Finds the handler of a request, identifies its caller, and calls the handler.
package final class Router: RequestHandler {
    private let routes: RouteTable<any RouteHandler>
    private let documents: CallerDocuments
    private let admission: CallerAdmission
    private let observer: RequestObserver
    package let fastPath: (any FastPath)?

    /// - Parameters:
    ///   - openInvoiceFile: Opens the files of invoices.
    ///   - writeRules: The settings of the rules for changes.
    ///   - callers: Finds callers by their credentials.
    ///   - audit: Gets a line for each export and for each change of an account.
    ///   - trustedProxies: Proxies whose `forwardedField` names the client.
    ///   - guesses: Wrong tokens that an address may send.
    ///   - answerTimeMax: `Timeouts.request` of the connections.
    ///   - streams: Receives the streams while they are open.
    ///   - failures: Receives the failed requests.
    ///   - tracer: Makes the spans of requests.
    package init(
        readAccount: ReadAccount, listAccounts: ListAccounts, exportBilling: ExportBilling,
        openInvoiceFile: OpenInvoiceFile<StreamedFile>, writeAccount: WriteAccount,
        writeRules: WriteRules = WriteRules(), callers: any CallerDirectory, audit: AuditLog, accessLog: AccessLog,
        trustedProxies: [AddressRange] = [],
        forwardedField: ForwardedField.Name = .xForwardedFor,
        guesses: Limits.Rate = Limits.Rate(burst: 50, perSecond: 1), defences: DefenceLog? = nil,
        answerTimeMax: TimeAmount = Timeouts().request, streams: OpenStreams? = nil, failures: RecentFailures? = nil,
        time: any TimeSource, metrics: any MetricsFactory = .none,
        tracer: ServiceTracer = ServiceTracer(), logger: Logger
    ) {
        let reads = AccountReadHandler.Services(readAccount: readAccount, time: time, tracer: tracer)
        let writes = AccountWriteHandler.Services(
            writeAccount: writeAccount, rules: writeRules,
            observer: WriteObserver(audit: audit, metrics: WriteMetrics(metrics: metrics), logger: logger), time: time)
        func routes(of operation: Operation) -> [RouteTable<any RouteHandler>.Route] {
            switch operation {
            case .getBillingInformation: [AccountReadHandler.getBillingInformation(reads)]
            case .listBillingInvoices: [AccountReadHandler.listBillingInvoices(reads)]
            case .getInvoiceDetails: [AccountReadHandler.getInvoiceDetails(reads)]
            case .getPlanInformation: [AccountReadHandler.getPlanInformation(reads)]
            case .getPlanUsage: [AccountReadHandler.getPlanUsage(reads)]
            case .getSubAccountDetails: [AccountReadHandler.getSubAccountDetails(reads)]
            case .listSubAccounts: [ListSubAccounts(listAccounts: listAccounts, time: time).route]
            case .downloadInvoiceFile:
                DownloadInvoiceFile(
                    openInvoiceFile, bytesSent: Counter(.invoiceFileBytes, in: metrics), logger: logger
                ).routes
            case .updateBillingInformation: [AccountWriteHandler.updateBillingInformation(writes)]
            case .subscribePlans: [AccountWriteHandler.subscribePlans(writes)]
            case .subscribeAdditionalPlan: [AccountWriteHandler.subscribeAdditionalPlan(writes)]
            case .updateAdditionalPlan: [AccountWriteHandler.updateAdditionalPlan(writes)]
            case .cancelAdditionalPlans: [AccountWriteHandler.cancelAdditionalPlans(writes)]
            case .updateBasePlan: [AccountWriteHandler.updateBasePlan(writes)]
            case .cancelBasePlan: [AccountWriteHandler.cancelBasePlan(writes)]
            }
        }
        let stream = StreamBilling(
            exportBilling: exportBilling, callers: callers, audit: audit, metrics: StreamMetrics(metrics: metrics),
            streams: streams ?? OpenStreams(time: time), time: time)
        let keys = IdempotencyKeys(writeAccount: writeAccount, audit: audit)
        let operations = Operation.allCases.flatMap(routes)
        self.routes = RouteTable(operations + [stream.route, keys.route])
        documents = CallerDocuments(after: self.routes.labels)
        let clientAddress = ClientAddress(trustedProxies: trustedProxies, field: forwardedField)
        admission = CallerAdmission(
            directory: callers, clientAddress: clientAddress,
            guesses: TokenGuesses(
                rate: guesses, defences: defences ?? DefenceLog(logger: logger, metrics: metrics)))
        observer = RequestObserver(
            metrics: RequestMetrics(metrics: metrics, routes: documents.labels), accessLog: accessLog,
            failures: failures ?? RecentFailures(time: time), tracer: tracer, clientAddress: clientAddress,
            answerTimeMax: answerTimeMax)
        fastPath = LookupFastPath(
            PlainRoutes(operations, labels: self.routes.labels), admission, readAccount, observer, time: time)
    }

    package func reply(to request: HTTPRequest) -> Reply {
        let requestID = RequestID(of: request)
        var observation = observer.begin(request, requestID)
        let reply = dispatch(request, requestID, &observation)
        return observer.observe(reply, to: request, observation)
    }

    private func dispatch(
        _ request: HTTPRequest, _ requestID: RequestID, _ observation: inout RequestObserver.Observation
    ) -> Reply {
        let method = RequestMethod(request.method)
        observation.note.method = method
        if request.path.first == UInt8(ascii: "*") { return .now(options(requestID)) }
        do throws(ProblemDetails) {
            let match = try routes.match(method, request.path, &observation.note)
            let (caller, credential) = try admission.admit(request, &observation.note)
            let context = RouteContext(
                method: method, parameters: match.parameters, caller: caller, credential: credential,
                requestID: requestID, trace: observation.context)
            return match.handler.reply(to: request, context, &observation.note)
        } catch {
            guard observation.note.route.index == RouteLabel.none.index else { return .now(error.response(requestID)) }
            // No operation has the path. Documents come after operations, so that lookups cost nothing more.
            return .now(documents.response(to: request, method, requestID, &observation.note))
        }
    }

    /// The answer to `OPTIONS *`: the methods of the service as a whole (RFC 9110, 9.3.7).
    private func options(_ requestID: RequestID) -> HTTPResponse {
        var response = HTTPResponse(status: 204)
        response.fields.append(.allow, routes.allow)
        requestID.append(to: &response.fields)
        return response
    }

    package func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        observer.refused(refusal, peer)
        return FailureTable.problem(for: refusal).response(RequestID(sent: requestID?[...]))
    }
}
