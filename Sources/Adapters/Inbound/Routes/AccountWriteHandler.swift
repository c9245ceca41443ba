import Domain
import NIOCore

/// Answers changes of one account, and their dry runs. The operations differ in path, method and rules.
struct AccountWriteHandler: RouteHandler {
    /// What the changes of all operations need.
    struct Services: Sendable {
        let writeAccount: WriteAccount
        let rules: WriteRules
        let observer: WriteObserver
        let time: any TimeSource
    }

    /// The header section of a request, checked.
    private struct Head: Sendable {
        let account: AccountID
        let isDryRun: Bool
        let key: IdempotencyKey?
        let condition: ChangeCondition?
        let queueTimeout: Duration?
        let arrivedAt: Moment
    }

    private let services: Services
    private let operation: Operation
    private let template: StaticString

    /// - Parameter template: A path whose first parameter is the account.
    static func route(
        _ operation: Operation, _ method: RequestMethod, _ template: StaticString, _ services: Services
    ) -> RouteTable<any RouteHandler>.Route {
        .init(template, [(method, AccountWriteHandler(services: services, operation: operation, template: template))])
    }

    func reply(to request: HTTPRequest, _ context: RouteContext, _ note: inout RequestNote) -> Reply {
        let isStrict = PreferField.isStrict(request)
        do throws(ProblemDetails) {
            let head = try head(of: request, context)
            return .eventually { [self, body = request.body] in
                Self.applying(isStrict, to: await answer(head, body, context))
            }
        } catch {
            let account = context.parameters.id(0, in: request.path, as: AccountID.init)
            observe(Self.ending(of: error), context, account, error.status, error.code)
            return .now(Self.applying(isStrict, to: error.response(context.requestID)))
        }
    }

    /// Says that strict handling was applied, which it always is (RFC 7240, 3).
    private static func applying(_ isStrict: Bool, to response: HTTPResponse) -> HTTPResponse {
        guard isStrict else { return response }
        var response = response
        response.fields.append(.preferenceApplied, "handling=strict")
        return response
    }

    // MARK: Reading the request

    /// Checks what can be checked before the body is read.
    ///
    /// - Throws: the answer 400, 403, 404, 406 or 415.
    private func head(of request: HTTPRequest, _ context: RouteContext) throws(ProblemDetails) -> Head {
        let mediaType = request.fields.string(.contentType)?.prefix { $0 != ";" }.trimmed.lowercased()
        guard mediaType == "application/json" else { throw FailureTable.bodyIsNotJSON }
        guard AcceptField(of: request).first(of: ["application/json"]) != nil else { throw FailureTable.notAcceptable }
        guard let account = context.parameters.id(0, in: request.path, as: AccountID.init) else {
            throw FailureTable.invalidAccountID
        }
        do throws(BillingFailure) {
            let isDryRun = try Self.isDryRun(request)
            let head = Head(
                account: account, isDryRun: isDryRun,
                // Nothing is sent by a dry run, so it needs no key, and a key may be used afterwards.
                key: isDryRun ? nil : try IdempotencyKeyField.key(of: request),
                condition: try ChangeCondition(of: request), queueTimeout: PreferField.wait(of: request),
                arrivedAt: services.time.now)
            if isDryRun {
                try context.caller.requireDryRun(of: operation)
            } else {
                try context.caller.require(operation.rules.callerScope)
            }
            try context.caller.requireAccess(to: account)
            return head
        } catch {
            throw FailureTable.problem(for: error)
        }
    }

    private static func isDryRun(_ request: HTTPRequest) throws(BillingFailure) -> Bool {
        switch try Query(request.query, allowed: ["dry_run"])["dry_run"] {
        case nil, "false": false
        case "true": true
        case .some: throw .invalid([.init(field: "dry_run", message: "Must be true or false.")])
        }
    }

    /// Reads the body, and checks it against the rules of the operation.
    ///
    /// - Throws: the answer 400, 408, 413 or 503.
    private func write(of account: AccountID, _ body: BodyReader) async throws(ProblemDetails) -> AccountWrite {
        let bytes: ByteBuffer
        do throws(HTTPFailure) {
            bytes = try await body.collect(bytesMax: Self.bodyBytesMax)
        } catch {
            throw Self.problem(for: error)
        }
        guard let json = try? JSONValue(parsing: Array(bytes.readableBytesView), keepsText: false), json.object != nil
        else { throw FailureTable.invalidJSON }
        do throws(BillingFailure) {
            return try AccountWrite.make(operation, of: account, from: InputValue(json), rules: services.rules)
        } catch {
            throw FailureTable.problem(for: error)
        }
    }

    /// No change needs as much.
    private static let bodyBytesMax = 65_536

    /// The answer to a request whose body did not arrive.
    private static func problem(for failure: HTTPFailure) -> ProblemDetails {
        switch failure {
        case .timedOut: FailureTable.problem(for: Refusal.timedOut)
        case .tooLarge: FailureTable.problem(for: Refusal.excessiveBody)
        // The caller has gone.
        case .notConnected, .connectionLost, .resetByPeer, .unprocessed, .cancelled, .malformed:
            FailureTable.problem(for: BillingFailure.cancelled)
        }
    }

    // MARK: Answering

    private func answer(_ head: Head, _ body: BodyReader, _ context: RouteContext) async -> HTTPResponse {
        let write: AccountWrite
        do throws(ProblemDetails) {
            write = try await self.write(of: head.account, body)
        } catch {
            observe(Self.ending(of: error), context, head.account, error.status, error.code, key: head.key)
            return error.response(context.requestID)
        }
        let request = WriteAccount.Request(
            write, key: head.key,
            precondition: Self.precondition(head.condition),
            queueTimeout: head.queueTimeout, arrivedAt: head.arrivedAt)
        if head.isDryRun { return await dryRun(request, context) }
        let completion = await services.writeAccount(request, for: context.caller) { [self] completion in
            observe(completion, of: request, context)
        }
        var response =
            switch completion.result {
            case .success(let answer): response(to: answer, context)
            case .failure(let failure): FailureTable.problem(for: failure).response(context.requestID)
            }
        if completion.isReplayed { response.fields.append(.idempotentReplayed, "true") }
        return response
    }

    private static func precondition(_ condition: ChangeCondition?) -> WriteAccount.Request.Precondition? {
        guard let condition else { return nil }
        return { condition.isMet(by: $0.billing) }
    }

    /// Zoom answers a purchase with 201, and other changes with 204.
    private static func status(of method: RequestMethod) -> Int { method == .post ? 201 : 204 }

    private func response(to answer: WriteAccount.Answer, _ context: RouteContext) -> HTTPResponse {
        let status = Self.status(of: context.method)
        guard status == 201 else { return Self.response(status, context.requestID) }
        var body = ByteBuffer()
        // Zoom's answer can be empty.
        if let document = answer.document { body.writeBytes(document.text) } else { body.writeStaticString("{}") }
        return Self.response(status, context.requestID, body)
    }

    /// - Parameter body: JSON; `nil` for none.
    private static func response(
        _ status: Int, _ requestID: RequestID, _ body: ByteBuffer? = nil
    ) -> HTTPResponse {
        var response = HTTPResponse(status: status, body: body ?? ByteBuffer())
        if let body {
            response.fields.append(.contentType, "application/json")
            response.fields.append(.contentLength, body.readableBytes)
        }
        response.fields.append(.cacheControl, "private, no-store")
        response.fields.append(.contentTypeOptions, "nosniff")
        response.fields.append(.vary, "accept, authorization")
        requestID.append(to: &response.fields)
        return response
    }

    // MARK: Dry runs

    private func dryRun(_ request: WriteAccount.Request, _ context: RouteContext) async -> HTTPResponse {
        let write = request.write
        do throws(BillingFailure) {
            let found = try await services.writeAccount.dryRun(request, for: context.caller)
            observe(.dryRun, context, write.account, 200, write: write)
            return Self.response(200, context.requestID, body(of: found, context.method))
        } catch {
            let problem = FailureTable.problem(for: error)
            observe(.dryRun, context, write.account, problem.status, problem.code, write: write)
            return problem.response(context.requestID)
        }
    }

    private func body(of found: WriteAccount.DryRun, _ method: RequestMethod) -> ByteBuffer {
        var body = ByteBuffer()
        body.writeJSONObject { object in
            object.member("dry_run", true)
            object.member("operation", operation.title)
            object.member("method", method.name)
            object.member("path", "\(template)".replacing("{accountId}", with: found.write.account.rawValue))
            object.member("body") { $0.writeJSON(found.write.body) }
            object.member("changes") { buffer in
                buffer.writeJSONArray(found.differences) { buffer, difference in
                    buffer.writeJSONObject { object in
                        object.member("field", difference.field)
                        object.member("from", difference.from)
                        object.member("to", difference.to)
                    }
                }
            }
        }
        return body
    }

    // MARK: Audit

    /// How a request ended that did not reach the use case.
    private static func ending(of problem: ProblemDetails) -> AuditLog.WriteEnding {
        [400, 406, 413, 415].contains(problem.status) ? .invalid : .notSent
    }

    private func observe(
        _ completion: WriteAccount.Completion, of request: WriteAccount.Request, _ context: RouteContext
    ) {
        let problem: ProblemDetails? =
            switch completion.result {
            case .success: nil
            case .failure(let failure): FailureTable.problem(for: failure)
            }
        observe(
            AuditLog.WriteEnding(completion), context, request.write.account,
            problem?.status ?? Self.status(of: context.method), problem?.code, key: request.key,
            write: request.write, completion)
    }

    private func observe(
        _ ending: AuditLog.WriteEnding, _ context: RouteContext, _ account: AccountID?, _ status: Int,
        _ code: Int? = nil, key: IdempotencyKey? = nil, write: AccountWrite? = nil,
        _ completion: WriteAccount.Completion? = nil
    ) {
        services.observer.ended(
            AuditLog.WriteLine(
                caller: context.caller, requestID: context.requestID, operation: operation, ending: ending,
                account: account, key: key, status: status, code: code, trackingID: completion?.trackingID,
                fields: write?.changedFields ?? [], plans: write?.plans ?? [],
                isRecorded: completion?.isRecorded ?? true))
    }
}
