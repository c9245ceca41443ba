import Domain
import NIOCore
import Tracing

/// `GET /v2/accounts/{accountId}/billing`: Zoom's *Get billing information*.
struct GetBilling: Sendable {
    private let lookUpContact: LookUpContact
    private let time: any TimeSource
    private let tracer: ServiceTracer

    init(lookUpContact: LookUpContact, time: any TimeSource, tracer: ServiceTracer) {
        self.lookUpContact = lookUpContact
        self.time = time
        self.tracer = tracer
    }

    /// - Parameter cache: Is told where the answer comes from.
    func reply(
        to request: HTTPRequest, account: ArraySlice<UInt8>, caller: Caller, _ requestID: RequestID,
        _ cache: inout RequestNote.Cache?
    ) -> Reply {
        guard let account = AccountID(account) else {
            return .now(FailureTable.invalidAccountID.response(requestID))
        }
        guard AcceptField(of: request).first(of: ["application/json"]) != nil else {
            return .now(FailureTable.notAcceptable.response(requestID))
        }
        let demand = CacheControlField.demand(of: request)
        let conditions = Conditions(of: request)
        do throws(BillingFailure) {
            let now = time.now
            let span = tracer.isRecording ? tracer.startSpan("look up") : nil
            defer { span?.end() }
            if let entry = try lookUpContact.cached(account, for: caller, demand, at: now) {
                cache = entry.isFresh(at: now) ? .fresh : .stale
                return .now(Self.response(entry, conditions, at: now, requestID))
            }
        } catch {
            return .now(FailureTable.problem(for: error).response(requestID))
        }
        cache = .missed
        let queueTimeout = PreferField.wait(of: request)
        return .eventually { [lookUpContact, time, tracer] in
            await tracer.withSpan("look up") { _ in
                do throws(BillingFailure) {
                    let entry = try await lookUpContact(account, for: caller, queueTimeout: queueTimeout, demand)
                    return Self.response(entry, conditions, at: time.now, requestID)
                } catch {
                    return FailureTable.problem(for: error).response(requestID)
                }
            }
        }
    }

    /// What is the same for every account. Whose answer it is depends on who asks, and whether there is one on what is
    /// accepted.
    private static let fields = HeaderFields([
        (.status, "200"),
        (.contentType, "application/json"),
        (.contentTypeOptions, "nosniff"),
        (.acceptRanges, "none"),
        (.vary, "accept, authorization"),
    ])

    private static let notModifiedFields = HeaderFields([
        (.status, "304"),
        (.contentTypeOptions, "nosniff"),
        (.vary, "accept, authorization"),
    ])

    private static func response(
        _ entry: CacheEntry, _ conditions: Conditions, at now: Moment, _ requestID: RequestID
    ) -> HTTPResponse {
        let answer = entry.billing
        switch answer.content {
        case .failure(let problem): return problem.response(requestID)
        case .contact(let own, let body):
            let isKnown = !conditions.isEmpty && conditions.isMet(by: answer)
            var fields = HeaderFields(isKnown ? notModifiedFields : fields, own, reservingBytes: requestID.count + 96)
            fields.append(.age, Int(entry.age(at: now).components.seconds))
            requestID.append(to: &fields)
            return HTTPResponse(fields: fields, body: isKnown ? ByteBuffer() : body)
        }
    }
}
