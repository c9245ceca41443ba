import Adapters
import Testing

@Suite("Wrong Zoom address", .timeLimit(.minutes(10)))
struct WrongAddressTests {
    private static func readiness(of service: FiledService) async -> String {
        await TestProcess.run("curl", ["--silent", service.ops + "/readyz?verbose"]).output
    }

    @Test(
        "a zoom.api-url without /v2 is reported in log and /readyz?verbose with the response and the setting"
    )
    func api() async throws {
        try await FiledService.with(["--log-level", "info", "--zoom-retry-time", "0s"], apiPath: "") { service in
            let token = try await service.token(of: "app", "--scopes", "billing:read", "--master", "main")
            let answer = try await service.send(service.account(of: service.main), token: token)
            #expect(answer.status == 502)
            let reason = "http://127.0.0.1:\(service.zoomPort) answers with status 404, and not in Zoom's form"
            let remedy = "check zoom.api-url (it must end in /v2"
            let log = try await service.process.errors(containing: "a call to Zoom failed")
            #expect(log.contains(reason) && log.contains(remedy))
            let ready = await Self.readiness(of: service)
            #expect(ready.contains(reason) && ready.contains(remedy), "\(ready)")
        }
    }

    @Test("a wrong zoom.oauth-url is reported at start, before any call")
    func oauth() async throws {
        try await FiledService.with(["--log-level", "info"], oauthPath: "/token") { service in
            // The other master account has its own address.
            let line = #""could not obtain an access token from Zoom","master":"main""#
            let log = try await service.process.errors(containing: line)
            let reason = "http://127.0.0.1:\(service.zoomPort)/token answers with status 404, and not in Zoom's form"
            let remedy = "check zoom.oauth-url (Zoom's is https://zoom.us/oauth/token)"
            #expect(log.contains(reason) && log.contains(remedy), "\(log)")
            var ready = await Self.readiness(of: service)
            while !ready.contains(reason) {
                try Task.checkCancellation()
                ready = await Self.readiness(of: service)
            }
            #expect(ready.contains(remedy), "\(ready)")
        }
    }

    @Test("a redirect instead of Zoom's response is reported in /readyz?verbose with its target")
    func redirect() async throws {
        try await FiledService.with(["--zoom-retry-time", "0s"]) { service in
            let token = try await service.token(of: "app", "--scopes", "billing:read", "--master", "main")
            #expect(try await service.send(service.account(of: service.main), token: token).status == 200)
            service.main.add(SandboxFault(.redirect, operation: .getBillingInformation))
            #expect(try await service.send(service.account(of: service.main), token: token).status == 502)
            let ready = await Self.readiness(of: service)
            #expect(ready.contains("a redirect (status 302, to https://login.example)"), "\(ready)")
            #expect(ready.contains("check zoom.api-url"), "\(ready)")
        }
    }
}
