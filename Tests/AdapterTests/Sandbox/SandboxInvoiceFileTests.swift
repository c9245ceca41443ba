import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Testing

@Suite("Sandbox invoice files", .timeLimit(.minutes(10)))
struct SandboxInvoiceFileTests {
    private func with(
        bytes: Int = SandboxConfiguration.pdfBytesMin, _ faults: [SandboxFault] = [],
        _ test: (SandboxCaller) async throws -> Void
    ) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        configuration.pdfBytes = bytes
        configuration.faults = faults
        try await SandboxCaller.with(configuration, TestClock(), test)
    }

    @Test(
        "a file of any size is a PDF whose cross-reference table is right", arguments: [2048, 2049, 65_536, 1_000_001])
    func structure(bytes: Int) async throws {
        try await with(bytes: bytes) { caller in
            let id = try await caller.invoice(of: caller.account(0))
            let response = try await caller.getFile("/v2/billing/invoices/\(id)/download")
            #expect(response.status == 200 && response.body.readableBytes == bytes)
            #expect(response.fields.string(.contentType) == "application/pdf")
            #expect(response.fields.string(.contentLength) == "\(bytes)")
            let file = Array(response.body.readableBytesView)
            func text(_ range: Range<Int>) -> String { String(decoding: file[range], as: UTF8.self) }
            #expect(text(0..<5) == "%PDF-")
            let end = text(bytes - 40..<bytes)
            let table = try #require(
                end.firstMatch(of: /startxref\n([0-9]{10})\n%%EOF\n$/).flatMap { Int($0.output.1) })
            #expect(text(table..<table + 7) == "xref\n0 ")
            let entries = text(table..<bytes).matches(of: /([0-9]{10}) 00000 n \n/).compactMap { Int($0.output.1) }
            #expect(entries.count == 6)
            for (index, offset) in entries.enumerated() {
                #expect(text(offset..<offset + 7) == "\(index + 1) 0 obj")
            }
            // The length of the last stream ends where `endstream` begins.
            let last = text(entries[5]..<table)
            let filler = try #require(last.firstMatch(of: /\/Length ([0-9]{10}) >>\nstream\n/))
            let length = try #require(Int(filler.output.1))
            #expect(last[filler.range.upperBound...].utf8.count == length + "\nendstream\nendobj\n".utf8.count)
        }
    }

    @Test("both paths respond with the same file, its name and its digest")
    func paths() async throws {
        try await with { caller in
            let account = caller.account(0)
            let invoice = try #require(try await caller.invoices(of: account).first)
            let id = try #require(invoice["id"]?.string)
            let number = try #require(invoice["invoice_number"]?.string)
            let first = try await caller.getFile("/v2/billing/invoices/\(id)/download")
            let second = try await caller.getFile("/v2/api/download/billing/invoices/\(id)")
            #expect(first.body == second.body)
            #expect(
                first.fields.string(FieldName("content-disposition")) == "attachment; filename=\"\(number).pdf\"")
            #expect(first.fields.string(FieldName("repr-digest"))?.hasPrefix("sha-256=:") ?? false)
            let other = try await caller.getFile(
                "/v2/billing/invoices/\(try await caller.invoice(of: caller.account(1)))/download")
            #expect(other.body != first.body)
            #expect(
                other.fields.string(FieldName("repr-digest")) != first.fields.string(FieldName("repr-digest")))
        }
    }

    @Test("the invoice file of an account of the kind unsafe-file-name has a path and quotes in its name")
    func unsafeName() async throws {
        try await with { caller in
            let id = try await caller.invoice(of: caller.account(87))
            let file = try await caller.getFile("/v2/billing/invoices/\(id)/download")
            let disposition = try #require(file.fields.string(FieldName("content-disposition")))
            #expect(disposition.hasPrefix(#"attachment; filename="../../etc/INV"#))
            #expect(disposition.hasSuffix(#"\".exe;\\.pdf""#))
        }
    }

    @Test("an unknown invoice has no file, and a download needs a token")
    func refused() async throws {
        try await with { caller in
            let unknown = try await caller.get("/v2/billing/invoices/unknown/download")
            #expect(unknown.status == 404)
            #expect(unknown.json["message"] == .string("Invoice does not exist: unknown."))
            let id = try await caller.invoice(of: caller.account(0))
            #expect(try await caller.send("GET", "/v2/billing/invoices/\(id)/download").status == 401)
        }
    }

    @Test("a redirect leads to a file that is sent without a token, and refused with one")
    func redirect() async throws {
        var fault = SandboxFault(.redirect, operation: .downloadInvoiceFile)
        fault.location = "/sandbox/files/{invoiceId}"
        try await with([fault]) { caller in
            let id = try await caller.invoice(of: caller.account(0))
            let redirect = try await caller.getFile("/v2/billing/invoices/\(id)/download")
            #expect(redirect.status == 302)
            let location = try #require(redirect.fields.string(.location))
            #expect(location == "/sandbox/files/\(id)")
            let file = try await caller.exchange("GET", location)
            #expect(file.status == 200 && file.body.readableBytesView.starts(with: "%PDF-".utf8))
            #expect(try await caller.getFile(location).status == 400)
            #expect(try await caller.exchange("GET", "/sandbox/files/unknown").status == 404)
            caller.sandbox.add(SandboxFault(.truncation, operation: .getStoredFile))
            let half = try await caller.exchange("GET", location)
            #expect(half.body.readableBytes == file.body.readableBytes / 2)
        }
    }

    @Test("a fault that selects an account applies to the files of its invoices")
    func faultOfAccount() async throws {
        var fault = SandboxFault(.html, operation: .downloadInvoiceFile)
        fault.status = 200
        try await with { caller in
            let id = try await caller.invoice(of: caller.account(0))
            let other = try await caller.invoice(of: caller.account(1))
            fault.account = caller.account(0)
            caller.sandbox.add(fault)
            let page = try await caller.getFile("/v2/billing/invoices/\(id)/download")
            #expect(page.status == 200 && page.fields.string(.contentType) == "text/html")
            #expect(
                try await caller.getFile("/v2/billing/invoices/\(other)/download").fields.string(.contentType)
                    == "application/pdf")
        }
    }

    @Test("a slow file arrives complete, in pieces")
    func slow() async throws {
        var fault = SandboxFault(.slowDrip, operation: .downloadInvoiceFile)
        fault.bytes = 1000
        fault.delay = .zero
        try await with([fault]) { caller in
            let id = try await caller.invoice(of: caller.account(0))
            let file = try await caller.getFile("/v2/billing/invoices/\(id)/download")
            #expect(file.body.readableBytes == SandboxConfiguration.pdfBytesMin)
        }
    }

    @Test("a file that is cut off ends visibly on HTTP/2, and on HTTP/1.1 before its Content-Length")
    func cutOff() async throws {
        try await with(bytes: 100_000, [SandboxFault(.resetHalfway, operation: .downloadInvoiceFile)]) { caller in
            let id = try await caller.invoice(of: caller.account(0))
            let path = "/v2/billing/invoices/\(id)/download"
            let authorization = try await caller.authorization()
            await #expect(throws: HTTPFailure.self) {
                try await caller.exchange("GET", path, authorization: authorization)
            }
            try await TextPeer.connected(to: caller.server.port) { peer in
                try await peer.request("GET", path, "Authorization: \(authorization)")
                let head = try await peer.read(through: "\r\n\r\n").lowercased()
                #expect(head.contains("content-length: 100000") && !head.contains("transfer-encoding"))
                #expect(try await peer.untilClosed().utf8.count == 50_000)
            }
        }
    }

    @Test("a truncated file ends early as if it were complete")
    func truncated() async throws {
        try await with(bytes: 100_000, [SandboxFault(.truncation, operation: .downloadInvoiceFile)]) { caller in
            let id = try await caller.invoice(of: caller.account(0))
            let file = try await caller.getFile("/v2/billing/invoices/\(id)/download")
            #expect(file.status == 200 && file.body.readableBytes == 50_000)
            #expect(file.fields.string(.contentLength) == nil)
        }
    }

    @Test("the sandbox sends a file of 256 MiB in bounded memory", arguments: ["--http1.1", "--http2-prior-knowledge"])
    func memory(version: String) async throws {
        try await withTemporaryFolder { folder in
            let credentials = folder + "/credentials.json"
            let process = TestProcess(
                TestProcess.billingService,
                [
                    "sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", credentials, "--sandbox-pdf-size",
                    "256MiB", "--sandbox-now", "2026-01-31T12:00:00Z",
                ])
            let output = try await process.output(containing: "Listening on ")
            let base = try #require(output.firstMatch(of: /http:\/\/[0-9.]+:[0-9]+/)).output
            let account = SandboxAccounts(count: 1000, seed: 1).id(of: 0)
            let script = """
                set -e
                app() { sed -n 's/.*"'"$1"'":"\\([^"]*\\)".*/\\1/p' \(credentials); }
                token=$(curl -sf -u "$(app client_id):$(app client_secret)" \\
                  -d "grant_type=account_credentials&account_id=$(app account_id)" \(base)/oauth/token |
                  sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
                invoice=$(curl -sf -H "authorization: Bearer $token" \\
                  "\(base)/v2/accounts/\(account)/billing/invoices?from=2026-01-01&to=2026-01-31" |
                  sed 's/.*"invoices":\\[{"id":"\\([^"]*\\)".*/\\1/')
                curl -sf \(version) -H "authorization: Bearer $token" \\
                  \(base)/v2/billing/invoices/$invoice/download | wc -c
                """
            try process.resetPeakMemory()
            let before = try process.peakMemory()
            let outcome = await TestProcess.run("bash", ["-c", "set -o pipefail; " + script])
            #expect(outcome.lines == ["268435456"], "\(outcome.errors)")
            // Half of the file. Without back-pressure most of it would be in memory.
            let growth = try process.peakMemory() - before
            #expect(growth < 131_072, "\(growth) KiB")
            process.signal(SIGTERM)
            #expect(await process.outcome().status == 0)
        }
    }
}
