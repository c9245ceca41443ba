import Adapters
import Domain
import DomainFakes
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("Changes: audit log and metrics", .timeLimit(.minutes(10)))
struct WriteAuditTests {
    /// Collects the lines of several loggers.
    private final class Lines: Sendable {
        private let all = Mutex<[String]>([])

        func logger(_ label: String) -> Logger {
            Logger(label: label) { _ in LineLogHandler { line in self.all.withLock { $0.append(line) } } }
        }

        var list: [String] { all.withLock { $0 } }
    }

    private static func line(_ change: ChangeExample, _ outcome: String, _ status: Int, code: Int? = nil) -> String {
        "write account=a caller=everything\(code.map { " code=\($0)" } ?? "")"
            + " fields=type,hosts key=key-1 master=only operation=\(change.operation.title) outcome=\(outcome)"
            + " plans=monthly:7 request_id=job-1 status=\(status)"
    }

    private static func text(of metrics: MetricsRegistry) -> String {
        var text = ByteBuffer()
        metrics.samples().write(.text, to: &text)
        return String(buffer: text)
    }

    private static let fields = [(FieldName.requestID, "job-1")]

    @Test("each request for a change has an audit line with its outcome, and is counted")
    func outcomes() async throws {
        let change = ChangeExample.updateBasePlan
        let (lines, metrics) = (Lines(), MetricsRegistry())
        let refusal = SourceRefusal(kind: .refused, code: 2100, message: "Invalid host number.")
        let writer = change.writer { _, attempt in
            switch attempt {
            case 0: WriteReport(.notSent(.sourceFailed))
            case 1: WriteReport(.unknown, trackingID: "trace-2")
            case 2: WriteReport(.answered(.refused(refusal)), trackingID: "trace-3")
            default: WriteReport(.answered(.done(nil)), trackingID: "trace-4")
            }
        }
        try await TestService.with(
            source: FakeSource(), writer: writer, audit: lines.logger("audit"), metrics: metrics
        ) { service in
            for status in [502, 504, 504] {
                #expect(try await service.send(change, Self.fields).status == status)
            }
            _ = try await service.send("/v2/billing/idempotency-keys/key-1", method: "DELETE", Self.fields)
            for status in [400, 400] {
                #expect(try await service.send(change, Self.fields).status == status)
            }
            _ = try await service.send("/v2/billing/idempotency-keys/key-1", method: "DELETE", Self.fields)
            for status in [204, 204] {
                #expect(try await service.send(change, Self.fields).status == status)
            }
            _ = try await service.send(change, query: "?dry_run=true", Self.fields)
            _ = try await service.send(change, body: "[]", Self.fields)
            _ = try await service.send(change, token: TestService.readerToken, Self.fields)
        }
        let removed = "write caller=everything key=key-1 master=only outcome=key-removed request_id=job-1"
        #expect(
            lines.list == [
                Self.line(change, "not-sent", 502, code: 502),
                Self.line(change, "unknown", 504, code: 504) + " zoom_tracking_id=trace-2",
                Self.line(change, "unknown", 504, code: 504),
                removed,
                Self.line(change, "refused", 400, code: 2100) + " zoom_tracking_id=trace-3",
                Self.line(change, "replayed", 400, code: 2100),
                removed,
                Self.line(change, "done", 204) + " zoom_tracking_id=trace-4",
                Self.line(change, "replayed", 204),
                Self.line(change, "dry-run", 200).replacing(" key=key-1", with: ""),
                "write account=a caller=everything code=300 key=key-1 master=only operation=Update a base plan "
                    + "outcome=invalid request_id=job-1 status=400",
                "write account=a caller=reader code=4711 master=only operation=Update a base plan "
                    + "outcome=not-sent request_id=job-1 status=403",
            ])
        let text = Self.text(of: metrics)
        for (outcome, count) in [
            ("done", 1), ("replayed", 2), ("refused", 1), ("unknown", 2), ("not-sent", 2), ("invalid", 1),
            ("dry-run", 1),
        ] {
            let line = #"billing_writes_total{operation="Update a base plan",outcome="\#(outcome)"} \#(count)"#
            #expect(text.contains(line + "\n"), "\(outcome)")
        }
    }

    @Test("a change whose outcome cannot be recorded is answered, and reported in the audit line, the log and a metric")
    func unrecorded() async throws {
        let (change, keys) = (ChangeExample.updateBasePlan, FakeIdempotencyStore())
        let (lines, metrics) = (Lines(), MetricsRegistry())
        keys.fail([.finish])
        try await TestService.with(
            source: FakeSource(), writer: change.writer(), keys: keys, audit: lines.logger("audit"),
            logger: lines.logger("log"), metrics: metrics
        ) { service in
            let response = try await service.send(change, Self.fields)
            #expect(response.status == 204)
        }
        #expect(
            lines.list.contains {
                $0.hasPrefix("write ") && $0.contains("outcome=done") && $0.contains("recorded=false")
            })
        #expect(lines.list.contains { $0.hasPrefix("the outcome of a change is not recorded") })
        #expect(Self.text(of: metrics).contains("billing_writes_unrecorded_total 1\n"))
    }

    @Test("no value of a contact is in a log, in a metric, or in the body of an error that is not about the value")
    func personalData() async throws {
        let markers = [
            "first_name": "Zzmarkerfirst", "last_name": "Zzmarkerlast", "email": "zzmarker@example.com",
            "phone_number": "+1 555 0199 199", "address": "99 Zzmarker Street", "apt": "zzmarkerapt",
            "city": "Zzmarkercity", "zip": "94699",
        ]
        let members = markers.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
        let body = "{\(members),\"country\":\"US\",\"state\":\"CA\"}"
        let (change, lines, metrics) = (ChangeExample.updateBillingInformation, Lines(), MetricsRegistry())
        let results: [WriteReport.Result] = [
            .answered(.done(nil)), .unknown, .notSent(.sourceFailed),
            .answered(.refused(SourceRefusal(kind: .refused, code: 300, message: "Invalid field."))),
        ]
        let writer = change.writer { _, attempt in WriteReport(results[attempt % results.count]) }
        var bodies: [String] = []
        try await TestService.with(
            source: FakeSource(), writer: writer, audit: lines.logger("audit"), logger: lines.logger("log"),
            metrics: metrics
        ) { service in
            for round in results.indices {
                bodies.append(String(buffer: try await service.send(change, key: "k\(round)", body: body).body))
            }
            bodies.append(String(buffer: try await service.send(change, key: nil, body: body).body))
            bodies.append(
                String(buffer: try await service.send(change, key: "x", body: body, [(.ifMatch, "\"a\"")]).body))
            bodies.append(String(buffer: try await service.send(change, key: "y", body: body + "}").body))
            let violating = body.replacing("\"US\"", with: "\"Zzmarkercountry\"")
            _ = try await service.send(change, key: "z", body: violating)
            _ = try await service.send(change, key: "z", query: "?dry_run=true", body: body)
        }
        #expect(lines.list.count > results.count)
        let texts = lines.list + bodies + [Self.text(of: metrics)]
        for text in texts {
            for marker in Array(markers.values) + ["marker"] { #expect(!text.contains(marker), "\(text)") }
        }
    }
}
