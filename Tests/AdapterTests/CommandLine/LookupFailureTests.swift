import Adapters
import Testing

@Suite("billing-service get, plans, usage, invoices, accounts: failures", .timeLimit(.minutes(10)))
struct LookupFailureTests {
    @Test(
        "the exit code says what the service answered, and standard error says it in words",
        arguments: [
            (
                400, #"{"code":2100,"message":"This sub account is on self pay mode."}"#, 65,
                "self pay mode. (status 400"
            ),
            (
                400, #"{"code":200,"message":"Only available for paid account."}"#, 65,
                "paid account. (status 400, code 200"
            ),
            (
                400, #"{"code":300,"message":"Validation Failed.","errors":[{"field":"from","message":"Too early"}]}"#,
                64,
                "Validation Failed. from: Too early. (status 400, code 300"
            ),
            (401, #"{"code":124,"message":"Invalid access token."}"#, 77, "Check the token in BILLING_TOKEN"),
            (403, #"{"code":4711,"message":"No scope."}"#, 77, "No scope. (status 403, code 4711"),
            (
                404, #"{"code":2001,"message":"Account does not exist: a."}"#, 66,
                "does not exist: a. (status 404, code 2001"
            ),
            (
                404, #"{"type":"/v2/errors#invoice-not-found","code":404,"message":"No invoice."}"#,
                66,
                "No invoice. (status 404"
            ),
            (
                404, #"{"type":"/v2/errors#unknown-path","code":404,"message":"Nothing."}"#, 1,
                "Check the path in --url"
            ),
            (404, "<html>", 1, "Check the path in --url"), (308, "", 1, "The address redirects"),
            (429, #"{"code":429,"message":"Too many."}"#, 75, "Too many. Try again in 90 seconds, at 2"),
            (503, #"{"code":503,"message":"Zoom failed."}"#, 75, "Try again in 90 seconds"), (504, "", 75, "Try again"),
            (502, #"{"code":4700,"message":"Zoom refused."}"#, 1, "Zoom refused. (status 502, code 4700"),
            (500, "<html>", 1, "The service gave no reason. (status 500"),
            (200, "<html>login</html>", 1, "is no answer of the service: check --url"), (200, "[]", 1, "check --url"),
            (
                400, #"{"code":2100,"message":"\u001b[31mred\u202e \udbff\udf9b"}"#, 65,
                #"\u{1b}[31mred\u{202e} \u{10ff9b}"#
            ),
        ])
    func statuses(status: Int, body: String, exitCode: Int32, message: String) async throws {
        let answer = Reply.json(body, status: status, [(.requestID, "r-17"), (.retryAfter, "90")])
        let outcome = try await FakeBilling.run(
            ["get", "a"] + (status == 403 ? ["--json"] : []), answers: ["/v2/accounts/a/billing": answer])
        #expect(outcome.status == exitCode && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.errors.hasPrefix("billing-service: ") && outcome.errors.contains(message), "\(outcome)")
        #expect(outcome.errors.contains("request r-17") == (status != 200), "\(outcome)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
    }

    @Test("a date in Retry-After is printed unchanged")
    func retryDate() async throws {
        let date = "Wed, 21 Oct 2026 07:28:00 GMT"
        let outcome = try await FakeBilling.run(
            ["plans", "a"], answers: ["/v2/accounts/a/plans": .json("", status: 503, [(.retryAfter, date)])])
        #expect(outcome.status == 75 && outcome.errors.contains("Try again after \(date)."), "\(outcome)")
    }

    @Test(
        "wrong usage exits with 64 and sends no request",
        arguments: [
            ["get"], ["get", "a/b"], ["get", ".."], ["get", ""],
            ["get", String(repeating: "x", count: 65)], ["invoices"], ["invoices", "a", "b/c"],
            ["invoices", "a", "b", "--from", "2026-01-01"], ["invoices", "a", "--from", "2026-02-30"],
            ["invoices", "a", "--to", "1.1.2026"], ["invoices", "a", "--from", "2026-02-02", "--to", "2026-02-01"],
            ["invoices", "download"], ["invoices", "download", "a"], ["invoices", "download", "a", "--output", ""],
            ["accounts", "a", "--limit", "1"], ["accounts", "--limit", "0"],
            ["usage", "a", "--timeout", "0s"], ["usage", "a", "--timeout", "2h"],
            ["plans", "a", "--sandbox"], ["plans", "a", "--token-file", ""],
        ])
    func usage(arguments: [String]) async throws {
        let fake = FakeBilling([:])
        try await withServer(fake) { server in
            let outcome = await TestProcess.run(
                TestProcess.billingService, arguments + ["--url", "http://127.0.0.1:\(server.port)"],
                environment: ["BILLING_TOKEN": "token"])
            #expect(outcome.status == 64 && outcome.output.isEmpty && !outcome.errors.isEmpty, "\(outcome)")
        }
        #expect(fake.targets.isEmpty)
    }

    @Test("without a source, a token or a server, the message says what to do")
    func unreachable() async throws {
        let program = TestProcess.billingService
        let noSource = await TestProcess.run(program, ["get", "a"])
        #expect(noSource.status == 78 && noSource.errors.contains("credentials.file: is required"), "\(noSource)")
        let noToken = await TestProcess.run(program, ["get", "a", "--url", "http://127.0.0.1:1"])
        #expect(noToken.status == 1 && noToken.errors.contains("no token in BILLING_TOKEN"), "\(noToken)")
        let refused = await TestProcess.run(
            program, ["get", "a", "--url", "http://127.0.0.1:1"], environment: ["BILLING_TOKEN": "token"])
        #expect(refused.status == 1 && refused.errors.contains("check the host and port in --url"), "\(refused)")
        #expect(refused.errors.split(separator: "\n").count == 1, "\(refused)")
    }

    @Test("--master selects one of several master accounts")
    func master() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/credentials.json"
            for name in ["one", "two"] {
                let added = await TestProcess.run(
                    TestProcess.billingService,
                    [
                        "credentials", "add", "--credentials-file", path, "--name", name, "--account-id", name,
                        "--client-id", "c",
                    ], input: "secret")
                #expect(added.status == 0, "\(added)")
            }
            let arguments = ["get", "a", "--credentials-file", path]
            let missing = await TestProcess.run(TestProcess.billingService, arguments)
            #expect(
                missing.status == 78 && missing.errors.contains("--master is required, one of one, two"), "\(missing)")
            let unknown = await TestProcess.run(TestProcess.billingService, arguments + ["--master", "three"])
            #expect(unknown.status == 78 && unknown.errors.contains("three is not one of one, two"), "\(unknown)")
            let url = await TestProcess.run(
                TestProcess.billingService, ["get", "a", "--master", "one", "--url", "http://127.0.0.1:1"])
            #expect(url.status == 64 && url.errors.contains("exclude each other"), "\(url)")
        }
    }

    @Test("--timeout bounds the wait for an answer")
    func timeout() async throws {
        let cancelled = Event<Void>()
        try await withServer(ScriptedHandler.waiting(started: Event(), cancelled: cancelled)) { server in
            let outcome = await TestProcess.run(
                TestProcess.billingService,
                ["get", "a", "--timeout", "1s", "--url", "http://127.0.0.1:\(server.port)"],
                environment: ["BILLING_TOKEN": "token"])
            #expect(outcome.status == 75 && outcome.errors.contains("did not answer within 1s"), "\(outcome)")
            _ = try await cancelled.next()
        }
    }
}
