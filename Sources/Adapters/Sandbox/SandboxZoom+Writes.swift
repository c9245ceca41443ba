import Domain
import NIOCore

/// How a write changes an account.
struct SandboxChange: Sendable {
    /// The message for an unknown account; `nil` for Zoom's usual one.
    var unknownAccount: String?

    /// Changes the account, and makes the response.
    let apply: @Sendable (inout SandboxAccountDraft, SandboxWriteBody) throws(SandboxRefusal) -> HTTPResponse
}

extension SandboxZoom {
    static let writeBytesMax = 1 << 20

    /// The writes that the sandbox received, oldest first; only those about one account if `account` is not `nil`.
    package func writes(of account: String? = nil) -> [SandboxWrite] {
        journal.writes(after: 0, limit: .max).filter { account == nil || $0.account == account }
    }

    /// Removes all writes from the journal. The accounts stay changed.
    package func clearWrites() {
        journal.removeAll()
    }

    /// Puts an account into a mode.
    package func set(_ mode: SandboxAccountMode, of account: Int) {
        records.change(account) { stored in
            var record = stored ?? SandboxAccountRecord()
            record.mode = mode
            stored = record
        }
    }

    // MARK: Processing

    /// Makes the access checks of a write, and applies it.
    ///
    /// - Parameters:
    ///   - body: `nil` if it is incomplete or too large.
    ///   - apply: Applies the write and records it in the journal.
    func write(
        _ call: SandboxCall, _ body: ByteBuffer?, under fault: SandboxFault?, _ apply: () -> HTTPResponse
    ) -> HTTPResponse {
        var isRecorded = false
        let reply = checked(call) {
            isRecorded = true
            return SandboxReply(apply())
        }
        guard let response = reply.whole else { preconditionFailure("\(call.operation) responds with a file") }
        if isRecorded { return response }
        return record(call, body, .refused, response, under: fault)
    }

    func apply(
        _ change: SandboxChange, _ call: SandboxCall, _ body: ByteBuffer?, under fault: SandboxFault?
    ) -> HTTPResponse {
        guard let number = accounts.number(of: call.account) else {
            let response =
                change.unknownAccount.map { SandboxResponse.error(404, 2001, $0) }
                ?? SandboxResponse.unknownAccount(call.account)
            return record(call, body, .refused, response, under: fault)
        }
        let kind = accounts.kind(of: number)
        // The journal is written before the next change of an account, so that its order is that of the effects.
        return records.change(number) { stored in
            do throws(SandboxRefusal) {
                let members = try SandboxWriteBody(body, contentType: call.request.fields.string(.contentType))
                var draft = draft(call.account, number, stored)
                let response = try change.apply(&draft, members)
                commit(draft, to: &stored)
                return record(call, body, .applied, response, under: fault)
            } catch {
                return record(call, body, .refused, error.response(for: kind), under: fault)
            }
        }
    }

    func apply(
        _ change: (SandboxZoom, SandboxCall, ByteBuffer?) throws(SandboxRefusal) -> HTTPResponse, _ call: SandboxCall,
        _ body: ByteBuffer?, under fault: SandboxFault?
    ) -> HTTPResponse {
        do throws(SandboxRefusal) {
            return record(call, body, .applied, try change(self, call, body), under: fault)
        } catch {
            return record(call, body, .refused, error.response(for: nil), under: fault)
        }
    }

    /// Creates an account without plans.
    ///
    /// - Returns: Its number; `nil` if an account with this email exists.
    func create(_ account: SandboxMembership.Created, isSelfPay: Bool, contact: [String: String]) -> Int? {
        guard let number = accounts.create(account, isSelfPay: isSelfPay) else { return nil }
        records.change(number) { stored in
            stored = SandboxAccountRecord(
                contact: contact,
                plans: SandboxPlans(account: number, kind: accounts.kind(of: number), members: []))
        }
        return number
    }

    /// Removes an account without plans.
    ///
    /// - Returns: Whether it was removed: false if it has plans.
    func disassociate(_ number: Int) -> Bool {
        records.change(number) { stored in
            guard draft(accounts.id(of: number), number, stored).plans.isFree else { return false }
            accounts.remove(number)
            stored = nil
            return true
        }
    }

    private func draft(_ id: String, _ number: Int, _ stored: SandboxAccountRecord?) -> SandboxAccountDraft {
        let kind = accounts.kind(of: number)
        let stored = stored ?? SandboxAccountRecord()
        let today = today
        var plans = stored.plans ?? SandboxPlans(of: number, kind: kind, created: accounts.created(number))
        plans.removeEnded(on: today)
        return SandboxAccountDraft(
            id: id, number: number, kind: kind, record: stored, plans: plans, contact: accounts.contact(of: number),
            today: today, nextInvoice: invoices.nextDate(of: number, after: today))
    }

    private func commit(_ draft: SandboxAccountDraft, to stored: inout SandboxAccountRecord?) {
        var record = stored ?? SandboxAccountRecord()
        record.contact = draft.contact
        if draft.hasChangedPlans {
            record.plans = draft.plans
            var charges = record.charges ?? SandboxCharges(begin: draft.today)
            charges.set(draft.plans.charges, after: draft.today)
            charges.subscribe(draft.subscribed, on: draft.today)
            record.charges = charges
        }
        stored = record
    }

    // MARK: Journal

    /// Records a write.
    ///
    /// - Parameter response: The response without the fault.
    /// - Returns: The response under the fault.
    private func record(
        _ call: SandboxCall, _ body: ByteBuffer?, _ effect: SandboxWrite.Effect, _ response: HTTPResponse,
        under fault: SandboxFault?
    ) -> HTTPResponse {
        let response = fault?.changing(response, isSuccess: effect == .applied) ?? response
        let status: Int? =
            switch fault?.kind.effectOnWrites {
            case .appliedWithoutResponse, .preventedWithoutResponse: nil
            case .applied, .prevented, nil: response.status
            }
        append(call, body, effect, status, fault)
        return response
    }

    /// Reads the body of a write that a fault prevents, and records it. Does nothing for a read.
    ///
    /// - Parameter status: The status of the response; `nil` without a response.
    func recordPrevented(_ call: SandboxCall, by fault: SandboxFault, status: Int?) async {
        guard call.operation.isWrite else { return }
        let body = try? await call.request.body.collect(bytesMax: Self.writeBytesMax)
        let isError = status.map { $0 >= 400 } ?? false
        append(call, body, isError ? .refused : .none, status, fault)
    }

    private func append(
        _ call: SandboxCall, _ body: ByteBuffer?, _ effect: SandboxWrite.Effect, _ status: Int?, _ fault: SandboxFault?
    ) {
        let now = clock.timestamp
        journal.append { sequence in
            SandboxWrite(
                sequence: sequence, operation: call.operation, account: call.account,
                body: body.map { Array($0.readableBytesView) } ?? [], effect: effect, status: status,
                fault: fault?.kind, requestID: call.request.fields.string(.requestID), time: now)
        }
    }
}
