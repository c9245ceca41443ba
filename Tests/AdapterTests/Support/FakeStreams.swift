import Adapters
import NIOCore
import Synchronization

/// An in-memory service that answers `/v2/billing/stream`, for tests of programs that read streams. `include` may name
/// `contact`, `plans` and `usage`.
final class FakeStreams: RequestHandler {
    struct State {
        /// The targets of all requests received so far.
        var targets: [String] = []
        var scope = "one"

        /// The city in each billing contact, as JSON.
        var city = #""Bern""#
    }

    let state = Mutex(State())
    let ids: [String]
    let prefix: String

    /// Runs before each response; requests are counted from 1. A response it returns replaces the stream.
    private let intercept: @Sendable (Int) async -> HTTPResponse?

    /// - Parameters:
    ///   - ids: The accounts, in ascending order.
    ///   - prefix: The path prefix of the service.
    init(
        ids: [String], prefix: String = "", intercept: @escaping @Sendable (Int) async -> HTTPResponse? = { _ in nil }
    ) {
        self.ids = ids
        self.prefix = prefix
        self.intercept = intercept
    }

    var requestCount: Int { state.withLock { $0.targets.count } }

    func reply(to request: HTTPRequest) -> Reply {
        .eventually { [self] in
            let number = state.withLock { state in
                state.targets.append(String(decoding: request.target, as: UTF8.self))
                return state.targets.count
            }
            if let response = await intercept(number) { return response }
            guard request.path.elementsEqual(Array("\(prefix)/v2/billing/stream".utf8)) else {
                return .text(#"{"code":404,"message":"No such path."}"#, status: 404)
            }
            guard let query = try? Query(request.query, allowed: ["limit", "after", "fields", "max_age", "include"]),
                let body = try? await request.body.collect(bytesMax: 10_000_000)
            else { return .text("malformed", status: 400) }
            return page(query, String(buffer: body))
        }
    }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        .text("\(refusal.status)", status: refusal.status)
    }

    private func page(_ query: Query, _ body: String) -> HTTPResponse {
        let (scope, city) = state.withLock { ($0.scope, $0.city) }
        let chosen = body.matches(of: /"account_id":"([^"]+)"/).map { String($0.output.1) }
        let left = chosen.isEmpty ? ids.filter { $0 > (query["after"] ?? "") } : chosen
        let part = left.prefix(query["limit"].flatMap { Int($0) } ?? left.count)
        let kinds = query["include"]?.split(separator: ",").map(String.init) ?? ["contact"]
        let records = part.flatMap { id in kinds.map { Self.record($0, id, city: city) } }
        let contacts = kinds.contains("contact") ? part.count : 0
        let counts = kinds.map { #""\#($0)":{"records":\#(part.count),"failures":0}"# }.joined(separator: ",")
        let byKind = query["include"] == nil ? "" : #","by_kind":{\#(counts)}"#
        let lines =
            [#"{"type":"begin","accounts":\#(part.count),"after":null}"#] + records + [
                #"{"type":"end","complete":true,"more":\#(left.count - part.count),"contacts":\#(contacts),"failures":0"#
                    + byKind + "}"
            ]
        return Self.stream(lines, scope: scope)
    }

    private static func record(_ kind: String, _ id: String, city: String) -> String {
        let object =
            kind == "contact" ? #""billing":{"city":\#(city)}"# : #""\#(kind)":{"plan_base":{"type":"yearly"}}"#
        return #"{"type":"\#(kind)","account_id":"\#(id)","as_of":"2030-01-31T12:00:00Z",\#(object)}"#
    }

    /// A stream with these lines.
    static func stream(_ lines: [String], scope: String = "one") -> HTTPResponse {
        var response = HTTPResponse.text(
            lines.map { $0 + "\n" }.joined(), contentType: "application/x-ndjson")
        response.fields.append(.accountScope, scope)
        return response
    }
}
