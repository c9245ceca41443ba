import Domain
import NIOCore

/// `/v2/billing/idempotency-keys/{key}`: what is recorded of a key of the caller. DELETE removes it, which permits to send the
/// change again.
struct IdempotencyKeys: RouteHandler {
    let writeAccount: WriteAccount
    let audit: AuditLog

    var route: RouteTable<any RouteHandler>.Route {
        .init("/v2/billing/idempotency-keys/{key}", [(.get, self), (.delete, self)])
    }

    func reply(to request: HTTPRequest, _ context: RouteContext, _ note: inout RequestNote) -> Reply {
        let (caller, requestID) = (context.caller, context.requestID)
        guard AcceptField(of: request).first(of: ["application/json"]) != nil else {
            return .now(FailureTable.notAcceptable.response(requestID))
        }
        do throws(BillingFailure) {
            let key = try IdempotencyKeyField.key(
                PercentEncoding.decode(context.parameters.value(0, in: request.path)))
            _ = try Query(request.query, allowed: [])
            let isRemoval = context.method == .delete
            return .eventually { [self] in
                do throws(BillingFailure) {
                    guard isRemoval else {
                        return Self.response(key, try await writeAccount.record(of: key, for: caller), requestID)
                    }
                    try await writeAccount.remove(key, for: caller)
                    audit.removedKey(key, by: caller, requestID)
                    return Self.response(requestID)
                } catch {
                    return FailureTable.problem(for: error).response(requestID)
                }
            }
        } catch {
            return .now(FailureTable.problem(for: error).response(requestID))
        }
    }

    private static func response(
        _ key: IdempotencyKey, _ record: KeyRecord, _ requestID: RequestID
    ) -> HTTPResponse {
        var body = ByteBuffer()
        body.writeJSONObject { object in
            object.member("key", key.rawValue)
            object.member("state", name(of: record.state))
            object.member("operation", record.request.operation.title)
            object.member("account_id", record.request.account.rawValue)
            object.member("recorded_at", record.recordedAt.rfc3339)
            object.member(
                "look_at", FailureTable.readPath(showing: record.request.operation, record.request.account))
        }
        var response = HTTPResponse(status: 200, body: body)
        response.fields.append(.contentType, "application/json")
        response.fields.append(.contentLength, body.readableBytes)
        complete(&response, requestID)
        return response
    }

    /// The answer to a removal.
    private static func response(_ requestID: RequestID) -> HTTPResponse {
        var response = HTTPResponse(status: 204)
        complete(&response, requestID)
        return response
    }

    private static func complete(_ response: inout HTTPResponse, _ requestID: RequestID) {
        response.fields.append(.cacheControl, "private, no-store")
        response.fields.append(.contentTypeOptions, "nosniff")
        response.fields.append(.vary, "accept, authorization")
        requestID.append(to: &response.fields)
    }

    private static func name(of state: KeyRecord.State) -> String {
        switch state {
        case .running: "running"
        case .unknown: "unknown"
        case .finished: "finished"
        }
    }
}
