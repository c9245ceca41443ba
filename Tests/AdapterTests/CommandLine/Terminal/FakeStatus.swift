import Adapters
import Synchronization

/// An operations listener whose `/status` changes, and can be away.
final class FakeStatus: RequestHandler {
    struct Answer {
        var text: String
        var status = 200
    }

    private let answers: Mutex<[Answer]>

    /// - Parameter answers: One for each request; the last one for all others.
    init(_ answers: [Answer]) {
        self.answers = Mutex(answers)
    }

    func reply(to request: HTTPRequest) -> Reply {
        guard String(decoding: request.target, as: UTF8.self) == "/status" else { return .json("{}", status: 404) }
        let answer = answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        if answer.status == 401, request.fields.string(.authorization) == "Bearer ops-token" {
            return .json(answer.text)
        }
        return .json(answer.status == 200 ? answer.text : #"{"message":"Not now."}"#, status: answer.status)
    }

    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
        .text("\(refusal.status)", status: refusal.status)
    }

    static func text(ready: Bool = true, done: Int = 250) -> String {
        """
        {"time":"2026-01-31T12:00:00Z","service":{"version":"9.8.7","started":"2026-01-31T09:00:00Z","uptime_s":10800,\
        "memory_bytes":120000000,"open_files":42,"event_loops":2},"ready":\(ready),"checks":[\
        {"name":"callers","status":"good","since":"2026-01-31T09:00:00Z"},\
        {"name":"zoom","status":"\(ready ? "good" : "failing")","since":"2026-01-31T11:50:00Z"\
        \(ready ? "" : #","detail":"no token\u001b[31m","remedy":"Check the credentials.""#)}],\
        "requests":{"in_flight":3,"per_second":12.34,"buffered_bytes":0},\
        "connections":[{"protocol":"2","tls":true,"open":5,"accepted":1234567}],\
        "rates":[{"master":"main","label":"medium","limit_per_second":20,"used_per_second":15.5,"waiting":7,\
        "admitted":100,"refused":0,"answers_429":2,"own_share":true,"history":[0,5,10,20],\
        "day":{"limit":60000,"used":12000,"resets_at":"2026-02-01T00:00:00Z","exhausted_at":null}}],\
        "tokens":[{"master":"main","age_s":600,"left_s":3000,"circuit_open":false}],\
        "cache":{"accounts":1000,"accounts_cached":812,"entries":2000,"bytes":1500000,"max_bytes":256000000,\
        "hit_ratio":0.971,"ages":[{"up_to_s":60,"entries":200},{"up_to_s":null,"entries":3}]},\
        "streams":[{"request_id":"r-stream","caller":"report","began":"2026-01-31T11:59:00Z","done":\(done),\
        "accounts":1000,"lines":\(done),"per_second":15.5,"left_s":48,"state":"running"}],\
        "refresh":{"round":3,"done":10,"accounts":1000,"failures":1,"began":"2026-01-31T11:59:00Z"},\
        "store":{"kind":"redis","connected":true,"replicas":3},"defences":[{"reason":"rst-flood","count":4}],\
        "failures":[{"time":"2026-01-31T11:58:00Z","request_id":"r-failed","method":"GET",\
        "route":"/v2/accounts/{id}/billing","status":502,"caller":"app","duration_ms":31.4}]}
        """
    }
}
