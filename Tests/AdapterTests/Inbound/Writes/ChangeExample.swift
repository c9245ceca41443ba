import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// A valid request for a change of the account `a`, and plans that permit it.
struct ChangeExample: Sendable, CustomTestStringConvertible {
    let operation: Operation
    let method: String
    let target: String
    let body: String

    /// The answer to Get plan information.
    let plans: String

    var testDescription: String { operation.title }

    /// Zoom's status for success.
    var status: Int { method == "POST" ? 201 : 204 }

    static let contact = #"""
        {"first_name":"New","last_name":"Owner","phone_number":"+1 555 0100 200","email":"owner@example.com",\#
        "address":"12 Harbour Street","city":"Oakland","country":"US","state":"CA","zip":"94607"}
        """#

    static let updateBillingInformation = ChangeExample(
        operation: .updateBillingInformation, method: "PATCH", target: "/v2/accounts/a/billing",
        body: #"{"city":"Oakland"}"#, plans: "{}")

    static let subscribePlans = ChangeExample(
        operation: .subscribePlans, method: "POST", target: "/v2/accounts/a/plans",
        body: #"{"contact":\#(contact),"plan_base":{"type":"monthly","hosts":5}}"#, plans: "{}")

    static let subscribeAdditionalPlan = ChangeExample(
        operation: .subscribeAdditionalPlan, method: "POST", target: "/v2/accounts/a/plans/addons",
        body: #"{"type":"webinar500_monthly","hosts":2}"#, plans: base)

    static let updateAdditionalPlan = ChangeExample(
        operation: .updateAdditionalPlan, method: "PUT", target: "/v2/accounts/a/plans/addons",
        body: #"{"type":"webinar500_monthly","hosts":3}"#, plans: webinar)

    static let cancelAdditionalPlans = ChangeExample(
        operation: .cancelAdditionalPlans, method: "PATCH", target: "/v2/accounts/a/plans/addons/status",
        body: #"{"action":"cancel","type":"webinar500_monthly","reason":4}"#, plans: webinar)

    static let updateBasePlan = ChangeExample(
        operation: .updateBasePlan, method: "PUT", target: "/v2/accounts/a/plans/base",
        body: #"{"type":"monthly","hosts":7}"#, plans: base)

    static let cancelBasePlan = ChangeExample(
        operation: .cancelBasePlan, method: "PATCH", target: "/v2/accounts/a/plans/base/status",
        body: #"{"action":"cancel"}"#, plans: base)

    static let all = [
        updateBillingInformation, subscribePlans, subscribeAdditionalPlan, updateAdditionalPlan, cancelAdditionalPlans,
        updateBasePlan, cancelBasePlan,
    ]

    private static let base = #"{"plan_base":{"type":"monthly","hosts":5,"status":"active"}}"#
    private static let webinar = #"""
        {"plan_base":{"type":"monthly","hosts":5,"status":"active"},\#
        "plan_webinar":[{"type":"webinar500_monthly","hosts":2,"status":"active"}]}
        """#

    /// A writer for an account with the example's plans.
    func writer(
        answer: @escaping FakeWriter.Send = { _, _ in WriteReport(.answered(.done(nil)), trackingID: "trace-1") }
    ) -> FakeWriter {
        let plans = AccountPlans(reading: (try? InputValue(JSONValue(parsing: Array(plans.utf8)))) ?? .null)
        return FakeWriter(plans: { plans }, answer: answer)
    }
}

extension TestService {
    /// Sends a request for a change.
    ///
    /// - Parameters:
    ///   - key: The idempotency key; `nil` for none.
    ///   - body: Instead of the example's body.
    func send(
        _ change: ChangeExample, key: String? = "key-1", query: String = "", body: String? = nil,
        token: String = token, contentType: String? = "application/json", _ fields: [(FieldName, String)] = []
    ) async throws(HTTPFailure) -> ClientResponse {
        let body = body ?? change.body
        var request = ClientRequest(
            method: change.method, scheme: client.origin.scheme.rawValue, authority: client.origin.authority,
            target: change.target + query, body: ByteBuffer(string: body))
        request.fields.append(.authorization, "Bearer \(token)")
        request.fields.append(.contentLength, body.utf8.count)
        if let contentType { request.fields.append(.contentType, contentType) }
        if let key { request.fields.append(.idempotencyKey, key) }
        for (name, value) in fields { request.fields.append(name, value) }
        return try await client.exchange(request, bodyBytesMax: 10_000_000, timeout: .minutes(5))
    }
}

extension ClientResponse {
    /// The last part of the type of a problem.
    var problem: String? {
        json?["type"]?.string.map { String($0.dropFirst("/v2/errors#".count)) }
    }

    /// The fields of a problem's violations.
    var violatedFields: [String] {
        json?["errors"]?.array?.compactMap { $0.object?["field"]?.string } ?? []
    }
}
