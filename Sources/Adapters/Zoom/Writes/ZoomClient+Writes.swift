import Domain
import Logging
import NIOCore

extension ZoomClient {
    /// Sends a change once.
    func send(
        _ write: AccountWrite, for purpose: Purpose,
        willSend: @escaping @Sendable () async throws(BillingFailure) -> Void
    ) async -> WriteReport {
        logUnknownKinds(of: write)
        let sending = WriteSending(willSend: willSend)
        var body = ByteBuffer()
        body.writeJSON(write.body)
        let request = ZoomRequest(write.operation.endpoint, account: write.account, body: body, sending: sending)
        do throws(ZoomFailure) {
            let answer = try await perform(request, for: purpose)
            return WriteReport(.answered(.done(answer.optionalDocument)), trackingID: sending.trackingID)
        } catch {
            let result = error.result(
                of: request, mayHaveLeft: sending.mayHaveLeft, translate(error, request))
            if result == .unknown {
                logger.warning(
                    "the outcome of a change is unknown",
                    metadata: [
                        "operation": "\(write.operation.title)", "account": "\(write.account)",
                        "reason": "\(error.reason)",
                    ])
            }
            return WriteReport(result, trackingID: sending.trackingID)
        }
    }

    /// Checks what can be checked of a change without sending it.
    ///
    /// - Throws: as `AccountWriter.check`.
    func check(_ write: AccountWrite, for purpose: Purpose) async throws(BillingFailure) {
        let request = ZoomRequest(write.operation.endpoint, account: write.account)
        do throws(ZoomFailure) {
            try await checkPermit(for: request, purpose)
        } catch {
            throw translate(error, request)
        }
    }

    /// The plans of an account, for the rules of changes.
    func plans(of account: AccountID, for purpose: Purpose) async throws(BillingFailure) -> AccountPlans {
        let read = AccountRead.planInformation(of: account)
        let endpoint = read.operation.endpoint
        let call = ZoomCall<AccountPlans>(
            ZoomRequest(read), interpret: { endpoint.interpret($0, read) },
            read: { answer, _ throws(ZoomFailure) in AccountPlans(reading: InputValue(.object(try answer.object()))) })
        return try await perform(call, for: purpose)
    }

    /// Reports each kind of plan that this service does not know once, so that operators learn of new kinds.
    private func logUnknownKinds(of write: AccountWrite) {
        for kind in write.unknownKinds where isNewKind(kind) {
            logger.notice("a change contains a kind of plan that is not known", metadata: ["kind": "\(kind)"])
        }
    }
}
