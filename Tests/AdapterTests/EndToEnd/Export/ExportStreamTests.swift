import Adapters
import DomainFakes
import Foundation
import NIOCore
import Synchronization
import Testing

/// How `billing-service export` reads the lines of a stream.
@Suite("billing-service export: lines of a stream", .timeLimit(.minutes(10)))
struct ExportStreamTests {
    private static let program = TestProcess.billingService

    private static func contact(_ id: String, _ billing: String = #"{"city":"Bern"}"#) -> String {
        #"{"type":"contact","account_id":"\#(id)","as_of":"2030-01-31T12:00:00Z","billing":\#(billing)}"#
    }

    private static func end(_ count: Int, more: Int = 0) -> String {
        #"{"type":"end","complete":true,"more":\#(more),"contacts":\#(count),"failures":0}"#
    }

    private func export(_ server: HTTPServer, _ arguments: String...) async -> TestProcess.Outcome {
        await TestProcess.run(
            Self.program, ["export", "--url", "http://127.0.0.1:\(server.port)"] + arguments,
            environment: ["BILLING_TOKEN": "token"])
    }

    private static func ids(_ text: String) -> [String] {
        text.matches(of: /"account_id":"([^"]+)"/).map { String($0.output.1) }
    }

    @Test(
        "after a broken stream, the export continues after the last complete account",
        arguments: [
            // The stream ends too early.
            [],
            [#"{"type":"error","status":503,"code":503,"message":"Shutting down."}"#],
            // A malformed line.
            [#"{"type":"contact","account_id":"c","as_of":"2030-01-31T12:00:00Z","#],
            [#"{"type":"contact","account_id":"c""#], [#"{"type":"contact"}"#], ["<html>"],
            // Lines after the end.
            [end(2, more: 2), contact("c")],
        ])
    func broken(rest: [String]) async throws {
        let ids = ["a", "b", "c", "d", "z"]
        for output in ["-", "out"] {
            let streams = FakeStreams(ids: ids) { number in
                number == 1 ? FakeStreams.stream([Self.contact("a"), Self.contact("b")] + rest) : nil
            }
            try await withServer(streams) { server in
                try await withTemporaryFolder { folder in
                    let outcome = await export(server, "--output", output == "-" ? output : folder + "/" + output)
                    #expect(outcome.status == 0, "\(outcome)")
                    let text =
                        output == "-" ? outcome.output : try String(contentsOfFile: folder + "/out", encoding: .utf8)
                    #expect(Self.ids(text) == ids)
                    let targets = streams.state.withLock { $0.targets }
                    #expect(targets.count == 2 && targets.last?.hasSuffix("&after=b") == true, "\(targets)")
                }
            }
        }
    }

    @Test(
        "a page in the wrong order or with other counts is discarded from a file, and is an error on standard output",
        arguments: [
            [contact("a"), contact("b"), end(3)], [contact("a"), contact("b"), end(1)],
            [contact("b"), contact("a"), end(2)], [contact("a"), contact("b"), contact("b"), end(3)],
        ])
    func inconsistent(lines: [String]) async throws {
        let streams = FakeStreams(ids: ["a", "b", "c"]) { number in
            number.isMultiple(of: 2) ? nil : FakeStreams.stream(lines)
        }
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                let file = await export(server, "--output", folder + "/out")
                #expect(file.status == 0, "\(file)")
                let text = try String(contentsOfFile: folder + "/out", encoding: .utf8)
                #expect(Self.ids(text) == ["a", "b", "c"])
                #expect(streams.state.withLock { $0.targets.allSatisfy { !$0.contains("after") } })
                let output = await export(server, "--output", "-")
                #expect(output.status == 1 && output.errors.contains("the stream contradicts itself"), "\(output)")
            }
        }
    }

    @Test("lines in other forms, and line ends inside of them, become one line for each account")
    func otherForms() async throws {
        let lines = [
            #"{ "type": "contact", "account_id": "a", "billing": {"city":"Bern"} }"#,
            #"{"account_id":"b","type":"contact","as_of":"2030-01-31T12:00:00Z","billing":{"city":"Genève"}}"#,
            #"{"type":"heartbeat","done":2,"accounts":4,"waiting":"zoom"}"#, "",
            Self.contact("c", #"{"city":"\#u{2028}\#u{85}","zip":"\#u{7F}"}"#) + "\r",
            Self.contact("d\\u0064"), #"{"type":"later","account_id":"e"}"#,
            #"{"type":"failure","account_id":"f","status":400,"code":2100,"message":"Self pay."}"#,
            #"{"type":"end","contacts":4,"failures":1}"#,
        ]
        let streams = FakeStreams(ids: []) { _ in FakeStreams.stream(lines) }
        try await withServer(streams) { server in
            let outcome = await export(server, "--output", "-")
            #expect(outcome.status == 3, "\(outcome)")
            let expected = [
                lines[0], lines[1], Self.contact("c", #"{"city":"\u2028\u0085","zip":"\u007f"}"#), lines[5], lines[7],
            ]
            #expect(outcome.output == expected.map { $0 + "\n" }.joined())
            #expect(outcome.errors.contains("contacts          4") && outcome.errors.contains("with code 2100  1"))
        }
    }

    @Test("an answer with another account than the chosen one is not written")
    func otherAccount() async throws {
        let streams = FakeStreams(ids: []) { number in
            number == 1 ? FakeStreams.stream([Self.contact("a"), Self.contact("x"), Self.end(2)]) : nil
        }
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                try write("a\nc\na\n", to: folder + "/list")
                let outcome = await export(
                    server, "--output", folder + "/out", "--accounts-from", folder + "/list")
                let text = try String(contentsOfFile: folder + "/out", encoding: .utf8)
                #expect(outcome.status == 0 && Self.ids(text) == ["a", "c", "a"], "\(outcome)")
            }
        }
    }

    // MARK: CSV

    /// A random contact with characters that JSON or CSV escapes, and without some members.
    private static func randomContact(_ random: inout SeededRandom) -> String {
        let parts: [(plain: String, escaped: String)] = [
            ("a", "\\u0061"), ("Zürich", "Z\\u00FCrich"), ("𝄞", "\\uD834\\uDD1E"), (",", ","), ("\\\"", "\\u0022"),
            ("\\\\", "\\u005c"), ("\\n", "\\u000A"), ("\\r", "\\r"), ("\\t", "\\t"), ("=", "="), ("-", "-"),
            ("@", "@"), ("+", "+"), ("＝", "\\uff1d"), ("/", "\\/"), (" ", " "), ("\\u0000", "\\u0000"),
            ("日本", "日本"), ("'", "'"), ("\\b", "\\f"), ("{}", "]["), ("1", "0"), (":", ";"),
        ]
        let members = ContactFieldNames.inOrder.compactMap { name -> String? in
            guard Int.random(in: 0..<12, using: &random) > 0 else { return nil }
            let value = (0..<Int.random(in: 0..<5, using: &random)).map { _ in
                let part = parts.randomElement(using: &random) ?? parts[0]
                return Bool.random(using: &random) ? part.plain : part.escaped
            }.joined()
            return "\"\(name)\":\"\(value)\""
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    @Test("a contact has the same CSV row in the form of the service and in any other form of JSON", arguments: [1, 2])
    func sameRows(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let contacts = (1000..<4000).map { ("account-\($0)", Self.randomContact(&random)) }
        let plain = contacts.map { Self.contact($0, $1) }
        // White space: such lines are parsed as JSON.
        let spaced = plain.map { "{ " + $0.dropFirst() }
        // Values in other forms, which are rare.
        let others = [
            #"{"city":null}"#, #"{"city":1.50}"#, #"{"city":{"a":"b"}}"#, #"{"zip":"1","city":"2"}"#, "{}",
            #"{"city":"1","city":"2"}"#, #"{"later":"x"}"#, #"{"zip":"1","later":"x"}"#,
        ].enumerated().map { Self.contact("account-4\($0.offset)", $0.element) }
        let rows = Mutex<[String: [String]]>([:])
        for (form, lines) in [("plain", plain), ("spaced", spaced)] {
            let all = lines + (form == "plain" ? others : others.map { "{ " + $0.dropFirst() })
            let streams = FakeStreams(ids: []) { _ in FakeStreams.stream(all + [Self.end(all.count)]) }
            try await withServer(streams) { server in
                for flags in [[], ["--spreadsheet"]] {
                    let outcome = await TestProcess.run(
                        Self.program,
                        ["export", "--url", "http://127.0.0.1:\(server.port)", "--output", "-", "--format", "csv"]
                            + flags, environment: ["BILLING_TOKEN": "token"])
                    #expect(outcome.status == 0, "\(outcome.errors)")
                    rows.withLock { $0["\(form)\(flags)"] = outcome.output.components(separatedBy: "\r\n") }
                }
            }
        }
        let found = rows.withLock { $0 }
        for flags in ["[]", #"["--spreadsheet"]"#] {
            let (plain, spaced) = (found["plain\(flags)"] ?? [], found["spaced\(flags)"] ?? [])
            #expect(plain.count > 3000)
            for (one, other) in zip(plain, spaced) where one != other {
                Issue.record("seed \(seed): \(one) is not \(other)")
            }
            #expect(plain == spaced)
        }
    }

    @Test("a contact line of the service that is not JSON inside is refused in CSV")
    func malformedContact() async throws {
        for billing in [#"{"city":"a}"#, #"{"city":"a"b}"#, #"{"city":"\x"}"#, #"{"city":"\ud800"}"#, #"{"city"}"#] {
            let streams = FakeStreams(ids: ["a"]) { _ in
                FakeStreams.stream([Self.contact("a", billing), Self.end(1)])
            }
            try await withServer(streams) { server in
                let outcome = await export(server, "--output", "-", "--format", "csv", "--retry-seconds", "0")
                #expect(outcome.status == 1 && outcome.output.isEmpty, "\(billing): \(outcome)")
            }
        }
    }

    // MARK: Checkpoints

    @Test("a resumed export removes what was written after the checkpoint, also if no account follows")
    func withoutMore() async throws {
        let streams = FakeStreams(ids: ["a", "b"]) { number in
            switch number {
            case 1: FakeStreams.stream([Self.contact("a"), Self.end(1, more: 1)])
            case 2: .text(#"{"message":"Stop here."}"#, status: 403)
            case _: FakeStreams.stream([Self.end(0)])
            }
        }
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                let stopped = await export(server, "--output", folder + "/out")
                #expect(stopped.status == 1 && stopped.errors.contains("continue it with --resume"), "\(stopped)")
                let partial = try #require(FileHandle(forUpdatingAtPath: folder + "/out.partial"))
                try partial.seekToEnd()
                try partial.write(contentsOf: Data(#"{"type":"contact","acc"#.utf8))
                try partial.close()
                let resumed = await export(server, "--output", folder + "/out", "--resume")
                #expect(resumed.status == 0, "\(resumed)")
                #expect(try String(contentsOfFile: folder + "/out", encoding: .utf8) == Self.contact("a") + "\n")
            }
        }
    }

    @Test("a long stream has checkpoints before its end, from which a killed export is resumed")
    func checkpoints() async throws {
        let targets = Mutex<[String]>([])
        // The first stream has no end, and the others have ten accounts.
        let handler = ScriptedHandler { request in
            let target = String(decoding: request.target, as: UTF8.self)
            let number = targets.withLock { targets in
                targets.append(target)
                return targets.count
            }
            let after = target.firstMatch(of: /after=account-([0-9]+)/).flatMap { Int($0.output.1) } ?? 100_000_000
            var head = HTTPResponse(status: 200)
            head.fields.append(.contentType, "application/x-ndjson")
            return .stream(head) { body in
                do {
                    for first in stride(from: after + 1, to: number == 1 ? .max : after + 2, by: 10) {
                        let lines = (first..<first + 10).map { Self.contact("account-\($0)") + "\n" }
                        try await body.write(ByteBuffer(string: lines.joined()))
                    }
                    try await body.write(ByteBuffer(string: Self.end(10) + "\n"))
                    return .complete
                } catch {
                    return .broken
                }
            }
        }
        try await withServer(handler) { server in
            try await withTemporaryFolder { folder in
                let script = """
                    \(Self.program) export --url http://127.0.0.1:\(server.port) --output out & pid=$!
                    until [ -e out.partial.state ]; do sleep 0.05; done
                    kill -9 $pid
                    """
                _ = await TestProcess.run(
                    "sh", ["-ec", "cd \(folder)\n" + script], environment: ["BILLING_TOKEN": "token"])
                let outcome = await export(server, "--output", folder + "/out", "--resume")
                #expect(outcome.status == 0, "\(outcome)")
                let resumed = targets.withLock { $0 }.dropFirst()
                #expect(resumed.count == 1 && resumed.allSatisfy { $0.contains("after=account-") }, "\(resumed)")
                // Every account once, in order.
                let check = await TestProcess.run(
                    "awk",
                    [
                        "-F\"",
                        "{ n = substr($8, 9); if (n != 100000000 + NR) { print NR, $0; exit } } END { print (NR > 1000) }",
                        folder + "/out",
                    ])
                #expect(check.output == "1\n", "\(check)")
            }
        }
    }
}
