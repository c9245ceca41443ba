import Domain
import NIOCore
import Tracing

/// Answers reads of one account with JSON, from the cache if possible. Each operation says which read a request asks for.
struct AccountReadHandler: RouteHandler {
    /// What the reads of all operations need.
    struct Services: Sendable {
        let readAccount: ReadAccount
        let time: any TimeSource
        let tracer: ServiceTracer
    }

    /// Makes the read that a request asks for.
    ///
    /// - Throws: `invalid` for parameters that break rules.
    typealias MakeRead = @Sendable (AccountID, HTTPRequest, RouteContext) throws(BillingFailure) -> AccountRead

    private let services: Services
    private let makeRead: MakeRead

    /// The operation of reads without parameters, which have a fast path; `nil` for others.
    private(set) var plainOperation: Operation?

    /// Reads without parameters.
    ///
    /// - Parameter template: A path whose only parameter is the account.
    static func route(
        _ template: StaticString, _ services: Services, _ operation: Operation
    ) -> RouteTable<any RouteHandler>.Route {
        var handler = AccountReadHandler(services: services) { account, _, _ in AccountRead(operation, of: account) }
        handler.plainOperation = operation
        return .init(template, [(.get, handler)])
    }

    /// - Parameter template: A path whose first parameter is the account.
    static func route(
        _ template: StaticString, _ services: Services, makeRead: @escaping MakeRead
    ) -> RouteTable<any RouteHandler>.Route {
        .init(template, [(.get, AccountReadHandler(services: services, makeRead: makeRead))])
    }

    func reply(to request: HTTPRequest, _ context: RouteContext, _ note: inout RequestNote) -> Reply {
        let requestID = context.requestID
        guard let account = context.parameters.id(0, in: request.path, as: AccountID.init) else {
            return .now(FailureTable.invalidAccountID.response(requestID))
        }
        guard AcceptField(of: request).first(of: ["application/json"]) != nil else {
            return .now(FailureTable.notAcceptable.response(requestID))
        }
        let directives = CacheControlField.directives(of: request)
        let conditions = Conditions(of: request)
        let read: AccountRead
        do throws(BillingFailure) {
            read = try makeRead(account, request, context)
            let now = services.time.now
            let span = context.trace.map { services.tracer.startSpan("look up", context: $0) }
            defer { span?.end() }
            if let entry = try services.readAccount.cached(
                read, for: context.caller, directives: directives, at: now)
            {
                note.cache = entry.isFresh(at: now) ? .fresh : .stale
                return .now(Self.response(entry, conditions, at: now, requestID))
            }
        } catch {
            return .now(FailureTable.problem(for: error).response(requestID))
        }
        note.cache = .missed
        let queueTimeout = PreferField.wait(of: request)
        return .eventually { [services, caller = context.caller] in
            await services.tracer.withSpanIfRecording("look up") {
                do throws(BillingFailure) {
                    let entry = try await services.readAccount(
                        read, for: caller, queueTimeout: queueTimeout, directives: directives)
                    return Self.response(entry, conditions, at: services.time.now, requestID)
                } catch {
                    return FailureTable.problem(for: error).response(requestID)
                }
            }
        }
    }

    private static func response(
        _ entry: CacheEntry, _ conditions: Conditions, at now: Moment, _ requestID: RequestID
    ) -> HTTPResponse {
        let answer = entry.billing
        switch answer.content {
        case .failure(let problem): return problem.response(requestID)
        case .body(let prepared, let body):
            let status: PreparedResponse.Status =
                !conditions.isEmpty && conditions.isMet(by: answer) ? .notModified : .ok
            var fields = HeaderFields(
                status: status.code, prepared, BillingAnswer.sentFields(status), reservingBytes: requestID.count + 96)
            fields.append(.age, Int(entry.age(at: now).components.seconds))
            requestID.append(to: &fields)
            return HTTPResponse(fields: fields, body: status == .ok ? body : ByteBuffer())
        }
    }
}
