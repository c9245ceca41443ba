package import Domain
import NIOCore

/// Reads Zoom's answers: leniently where Zoom is known to vary, and never half.
package enum ZoomAnswer {
    /// Zoom's names of the ten fields.
    private static func name(of field: BillingContact.Field) -> String {
        switch field {
        case .address: "address"
        case .apartment: "apt"
        case .city: "city"
        case .country: "country"
        case .email: "email"
        case .firstName: "first_name"
        case .lastName: "last_name"
        case .phoneNumber: "phone_number"
        case .state: "state"
        case .zip: "zip"
        }
    }

    /// What is passed on to callers stands deeper in their lines than in Zoom's answer, and they may stop at a depth of 32.
    private static let depthMax = 24

    private static func object(in response: ClientResponse) -> JSONObject? {
        (try? JSONValue(readingLeniently: Array(response.body.readableBytesView), depthMax: depthMax))?.object
    }

    private static func retryAfter(_ response: ClientResponse, _ now: Timestamp) -> Duration? {
        response.fields.string(.retryAfter).flatMap { RetryAfter.duration($0, now: now) }
    }

    /// The object of a successful answer. Zoom has been seen to answer errors with status 200, so a code and a message, or a
    /// code alone, where an object was promised are an error.
    package static func object(of response: ClientResponse, now: Timestamp) throws(ZoomFailure) -> JSONObject {
        let object = object(in: response)
        let code = object?["code"]?.integer
        let message = object?["message"]?.string ?? object?["error_message"]?.string
        if let fault = ZoomAddressFault(response, object: object, code: code) { throw .misaddressed(fault) }
        let isSuccess = (200..<300).contains(response.status)
        let isError = code != nil && code != 0 && (message != nil || object?.members.count == 1)
        if !isSuccess || isError {
            throw .api(
                status: response.status, code: code, message: message ?? "", retryAfter: retryAfter(response, now))
        }
        guard let object else { throw .unreadable }
        return object
    }

    /// *Get billing information*.
    ///
    /// - Throws: `unreadable` for an object that has none of the fields: some other object, then.
    package static func contact(_ object: JSONObject) throws(ZoomFailure) -> BillingContact {
        var texts: [String: String] = [:]
        var unread: [BillingContact.UnreadMember] = []
        let names = Set(BillingContact.Field.allCases.map(name(of:)))
        for member in object.members {
            if names.contains(member.name) {
                texts[member.name] = member.value.text
            } else {
                // The last one of a name counts, here as for the ten.
                unread.removeAll { $0.name == member.name }
                unread.append(.init(name: member.name, value: member.text))
            }
        }
        guard object.members.contains(where: { names.contains($0.name) }) else { throw .unreadable }
        return BillingContact(reading: { texts[name(of: $0)] }, unread: unread)
    }

    /// *List sub accounts*. An account without an id that could be one fails the page: leaving it out unsaid would make
    /// an export that lacks it look complete.
    package static func accountPage(_ object: JSONObject) throws(ZoomFailure) -> SubAccountPage {
        guard let entries = object["accounts"]?.array else { throw .unreadable }
        var accounts: [AccountID] = []
        accounts.reserveCapacity(entries.count)
        for entry in entries {
            guard let text = entry.object?["id"]?.text, let id = AccountID(text) else { throw .unreadable }
            accounts.append(id)
        }
        let token = object["next_page_token"]?.string
        return SubAccountPage(
            accounts: accounts, next: token.flatMap { $0.isEmpty ? nil : $0 }, total: object["total_records"]?.integer)
    }

    package struct TokenGrant {
        package let accessToken: Secret
        package let lifetime: Duration

        /// What it may be used for; `nil` if Zoom does not say.
        package let scopes: Set<String>?
    }

    /// The answer of the token endpoint (RFC 6749, 5.1). Zoom's tokens live an hour, which is assumed where it does not
    /// say. An error's own words count more than its status.
    package static func tokenGrant(_ response: ClientResponse, now: Timestamp) throws(ZoomFailure) -> TokenGrant {
        let object = object(in: response)
        let status = response.status
        let code = object?["code"]?.integer
        let retryAfter = retryAfter(response, now)
        if status == 429 || code == 429 {
            throw .api(status: 429, code: code, message: "", retryAfter: retryAfter)
        }
        let error = object?["error"]?.string
        if let fault = CredentialsFault(error: error, code: code), status < 500 || !fault.isGuess {
            throw .credentials(fault)
        }
        if let fault = ZoomAddressFault(response, object: object, code: code) { throw .misaddressed(fault) }
        switch status {
        case 200..<300:
            if error != nil { throw .credentials(.unexplained) }
            guard let object else { throw .unreadable }
            return try grant(object)
        case 400, 401, 403: throw .credentials(.unexplained)
        default: throw .api(status: status, code: code, message: "", retryAfter: retryAfter)
        }
    }

    private static func grant(_ object: JSONObject) throws(ZoomFailure) -> TokenGrant {
        guard let token = object["access_token"]?.string, !token.isEmpty,
            token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw .unreadable }
        let seconds = object["expires_in"]?.integer ?? 3600
        guard seconds > 0 else { throw .unreadable }
        let scopes = object["scope"]?.string.map { Set($0.split(separator: " ").map(String.init)) }
        return TokenGrant(accessToken: Secret(token), lifetime: .seconds(min(seconds, 86_400)), scopes: scopes)
    }
}
