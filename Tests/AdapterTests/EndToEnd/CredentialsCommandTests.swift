import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("billing-service credentials", .timeLimit(.minutes(10)))
struct CredentialsCommandTests {
    /// A temporary folder for the files of one test.
    private struct Workspace {
        let folder: String
        var path: String { folder + "/credentials.json" }
        var keyPath: String { folder + "/keys" }

        func run(
            _ arguments: String..., input: String = "", environment: [String: String] = [:]
        ) async -> TestProcess.Outcome {
            await TestProcess.run(
                TestProcess.billingService, ["credentials"] + arguments,
                environment: ["BILLING_CREDENTIALS_FILE": path].merging(environment) { $1 }, input: input)
        }

        func add(_ name: String, _ more: String..., secret: String = "hunter2\n") async -> TestProcess.Outcome {
            await TestProcess.run(
                TestProcess.billingService,
                ["credentials", "add", "--credentials-file", path, "--name", name, "--account-id", "A-" + name]
                    + ["--client-id", "C-" + name] + more, input: secret)
        }

        func text() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
    }

    private static func with(_ test: (Workspace) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in try await test(Workspace(folder: folder)) }
    }

    @Test("add, list, show, rotate and remove work and never print a secret")
    func life() async throws {
        try await Self.with { work in
            let added = await work.add("main")
            #expect(added.status == 0 && added.output == "added main to \(work.path)\n", "\(added.errors)")
            let second = await work.add(
                "eu", "--plan", "business", "--rate-share", "0.5", "--oauth-host", "zoom.example", "--api-host",
                "api.zoom.example:8443", secret: "hunter2-eu\r\n")
            #expect(second.status == 0)
            let attributes = try FileManager.default.attributesOfItem(atPath: work.path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            let list = await work.run("list")
            #expect(
                list.output == """
                    NAME  ACCOUNT ID  CLIENT ID  CLIENT SECRET  PLAN      RATE SHARE
                    main  A-main      C-main     ********       -         -
                    eu    A-eu        C-eu       ********       business  0.5

                    """)
            let show = await work.run("show", "--name", "eu")
            #expect(
                show.output == """
                    name: eu
                    account_id: A-eu
                    client_id: C-eu
                    client_secret: ********
                    oauth_host: zoom.example
                    api_host: api.zoom.example:8443
                    plan: business
                    rate_share: 0.5
                    file: \(work.path)
                    encrypted: no

                    """)
            let rotated = await work.run("rotate", "--name", "main", "--client-id", "C-2", input: "hunter3")
            #expect(rotated.output == "rotated the client secret of main in \(work.path)\n")
            let document = try CredentialsFile(PrivateFile(path: work.path)).read()
            #expect(document[Name(literal: "main")]?.credentials.clientSecret == Secret("hunter3"))
            #expect(document[Name(literal: "main")]?.credentials.clientID == "C-2")
            #expect(document[Name(literal: "eu")]?.credentials.clientSecret == Secret("hunter2-eu"))
            let removed = await work.run("remove", "--name", "main")
            #expect(removed.output == "removed main from \(work.path)\n")
            #expect(await work.run("list").lines.count == 2)
            for outcome in [added, second, list, show, rotated, removed] {
                #expect(!(outcome.output + outcome.errors).contains("hunter"))
            }
        }
    }

    struct Refusal: CustomTestStringConvertible {
        let arguments: [String]
        var input = "hunter2\n"
        let status: Int32
        let error: String
        var testDescription: String { "\(arguments) \(input.debugDescription)" }
    }

    @Test(
        "an invalid command is refused with its cause and changes nothing",
        arguments: [
            Refusal(
                arguments: ["add", "--name", "main", "--account-id", "A", "--client-id", "C"], status: 1,
                error:
                    "already contains a master account main; to change its secret, run billing-service credentials rotate"
            ),
            Refusal(
                arguments: ["add", "--name", "new", "--account-id", "A", "--client-id", "C"], input: "", status: 1,
                error: "billing-service: the client secret is empty: type it, or pass it on standard input"),
            Refusal(
                arguments: ["add", "--name", "new", "--account-id", "A", "--client-id", "C"], input: "a\nb\n",
                status: 1,
                error: "standard input has more than one line"),
            Refusal(
                arguments: ["add", "--name", "new", "--account-id", "A", "--client-id", "C"], input: "a b\n", status: 1,
                error: "the client secret must be 1 to 256 visible characters of ASCII"),
            Refusal(
                arguments: ["rotate", "--name", "main"], input: String(repeating: "a", count: 5000), status: 1,
                error: "longer than a client secret can be"),
            Refusal(
                arguments: ["rotate", "--name", "nobody"], status: 1, error: "contains no master account nobody"),
            Refusal(
                arguments: ["remove", "--name", "nobody"], status: 1, error: "contains no master account nobody"),
            Refusal(
                arguments: ["show", "--name", "nobody"], status: 1, error: "contains no master account nobody"),
            Refusal(
                arguments: ["verify", "--name", "nobody"], status: 1, error: "contains no master account nobody"),
            Refusal(arguments: ["encrypt"], status: 1, error: "there is no key to encrypt it with"),
            Refusal(
                arguments: ["encrypt", "--new-key"], status: 78,
                error: "credentials.key-file: is required for --new-key"),
            Refusal(
                arguments: ["add", "--name", "-x", "--account-id", "A", "--client-id", "C"], status: 64,
                error: "Missing value for '--name <name>'"),
            Refusal(
                arguments: ["add", "--name", "new", "--account-id", "A/B", "--client-id", "C"], status: 64,
                error: "The value 'A/B' is invalid for '--account-id <account-id>'"),
            Refusal(
                arguments: ["add", "--name", "new", "--account-id", "A", "--client-id", "C:D"], status: 64,
                error: "visible characters of ASCII without a colon"),
            Refusal(
                arguments: ["add", "--name", "new", "--account-id", "A", "--client-id", "C", "--plan", "gold"],
                status: 64,
                error: "The value 'gold' is invalid for '--plan <plan>'"),
            Refusal(
                arguments: ["add", "--name", "new", "--account-id", "A", "--client-id", "C", "--rate-share", "2"],
                status: 64, error: "a number above 0 and at most 1"),
            Refusal(
                arguments: ["add", "--name", "new", "--account-id", "A", "--client-id", "C", "--client-secret", "S"],
                status: 64, error: "Unknown option '--client-secret'"),
            Refusal(arguments: ["frobnicate"], status: 64, error: "frobnicate"),
        ])
    func refused(refusal: Refusal) async throws {
        try await Self.with { work in
            #expect(await work.add("main").status == 0)
            let before = try work.text()
            let outcome = await TestProcess.run(
                TestProcess.billingService, ["credentials"] + refusal.arguments,
                environment: ["BILLING_CREDENTIALS_FILE": work.path], input: refusal.input)
            #expect(outcome.status == refusal.status)
            #expect(outcome.errors.contains(refusal.error), "\(outcome.errors)")
            #expect(try work.text() == before)
        }
    }

    @Test("the file must be named, and a file that other users may access is refused unless allowed")
    func file() async throws {
        try await Self.with { work in
            let nowhere = await TestProcess.run(TestProcess.billingService, ["credentials", "list"])
            #expect(nowhere.status == 78 && nowhere.errors == "billing-service: credentials.file: is required\n")
            #expect(await work.run("list").errors == "billing-service: \(work.path): no such file\n")
            #expect(await work.add("main").status == 0)
            chmod(work.path, 0o644)
            let shared = await work.run("list")
            #expect(shared.status == 1 && shared.errors.contains("its mode is 0644 and its owner "))
            #expect(await work.run("list", "--allow-shared-file").lines.count == 2)
            let configuration = work.folder + "/config.json"
            try write(#"{"credentials":{"file":"\#(work.path)"},"allow-shared-file":true}"#, to: configuration)
            let listed = await TestProcess.run(
                TestProcess.billingService, ["credentials", "list", "--config", configuration])
            #expect(listed.lines.count == 2, "\(listed.errors)")
        }
    }

    @Test("encrypt --new-key encrypts the file with a new key, and reading it needs that key")
    func encryption() async throws {
        try await Self.with { work in
            #expect(await work.add("main").status == 0)
            let keys = ["BILLING_CREDENTIALS_KEY_FILE": work.keyPath]
            var ids: [String] = []
            for _ in 0..<2 {
                let outcome = await work.run("encrypt", "--new-key", environment: keys)
                let made = try #require(
                    outcome.output.firstMatch(of: /created the key ([0-9a-f]{16}), now the first in \S+/))
                ids.append(String(made.output.1))
                #expect(outcome.lines.last == "encrypted \(work.path) with the key \(ids.last ?? "")")
                let bytes = try Data(contentsOf: URL(filePath: work.path))
                #expect(bytes.range(of: Data("hunter2".utf8)) == nil && bytes.range(of: Data("A-main".utf8)) == nil)
                let shown = await work.run("show", "--name", "main", environment: keys)
                #expect(shown.lines.last == "encrypted: with the key \(ids.last ?? "")")
            }
            let attributes = try FileManager.default.attributesOfItem(atPath: work.keyPath)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            let none = await work.run("list")
            #expect(
                none.status == 1
                    && none.errors.contains(
                        "encrypted with the key \(ids[1]), and none was given; name the file of the key")
            )
            // A key from the environment decrypts and encrypts.
            let text = try String(contentsOfFile: work.keyPath, encoding: .utf8)
            let lines = text.split(separator: "\n").map(String.init)
            let given = ["BILLING_CREDENTIALS_KEY": lines[0]]
            #expect(await work.run("rotate", "--name", "main", input: "hunter3", environment: given).status == 0)
            #expect(await work.run("list", environment: given).lines.count == 2)
            let old = await work.run("list", environment: ["BILLING_CREDENTIALS_KEY": lines[1]])
            #expect(old.errors.contains("and those given are \(ids[0])"))
            let bad = await work.run("list", environment: ["BILLING_CREDENTIALS_KEY": "hunter2"])
            #expect(bad.status == 78 && bad.errors.contains("BILLING_CREDENTIALS_KEY must be 64 hexadecimal digits"))
            #expect(!bad.errors.contains("hunter2"))
            let both = await work.run("list", environment: given.merging(keys) { $1 })
            #expect(both.status == 78 && both.errors.contains("cannot be combined with BILLING_CREDENTIALS_KEY"))
            // A new file is encrypted if there is a key.
            try FileManager.default.removeItem(atPath: work.path)
            #expect(await work.add("main", "--credentials-key-file", work.keyPath).status == 0)
            #expect(SealedFormat.isSealed(Array(try Data(contentsOf: URL(filePath: work.path)))))
        }
    }

    @Test("a terminal prompt for the secret has no echo, and handles backspace and cancellation")
    func terminal() async throws {
        try await Self.with { work in
            // A pseudo-terminal, into which the answer is typed after the prompt has appeared.
            let script = """
                import os, pty, sys
                keys, program = sys.argv[1].encode().decode("unicode_escape").encode(), sys.argv[2:]
                child, terminal = pty.fork()
                if child == 0:
                    os.execv(program[0], program)
                seen = b""
                def read():
                    try:
                        return os.read(terminal, 1000)
                    except OSError:
                        return b""
                while b": " not in seen:
                    seen += read()
                os.write(terminal, keys)
                while more := read():
                    seen += more
                print(seen.decode(), end="")
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                """
            func type(_ keys: String, _ arguments: String...) async -> TestProcess.Outcome {
                await TestProcess.run(
                    "python3",
                    ["-c", script, keys, TestProcess.billingService, "credentials"] + arguments
                        + ["--credentials-file", work.path, "--name", "main"])
            }
            let added = await type("hunter2\\n", "add", "--account-id", "A", "--client-id", "C")
            #expect(added.output == "Client secret of main: \r\nadded main to \(work.path)\r\n", "\(added.errors)")
            func stored(_ secret: String) throws {
                let document = try CredentialsFile(PrivateFile(path: work.path)).read()
                #expect(document.masters.map(\.credentials.clientSecret) == [Secret(secret)])
            }
            try stored("hunter2")
            #expect(await type("huntex\\x7fr3\\n", "rotate").status == 0)
            try stored("hunter3")
            for cancelled in ["abc\\x03", "\\x03", "abc\\x1c", "\\x04"] {
                let outcome = await type(cancelled, "rotate")
                #expect(outcome.status == 1)
                #expect(
                    outcome.output
                        == "Client secret of main: \r\nbilling-service: cancelled: no client secret was read\r\n")
            }
            #expect(await type("\\n", "rotate").output.contains("the client secret is empty"))
            try stored("hunter3")
        }
    }

    @Test(
        "a signal during the prompt restores the terminal's echo before the program ends",
        arguments: [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU, 40])
    func signalled(signal: Int32) async throws {
        try await Self.with { work in
            let script = """
                import os, pty, signal, sys, termios
                number, program = int(sys.argv[1]), sys.argv[2:]
                # Kept open, so that the terminal can be inspected after the program has ended.
                terminal, other = pty.openpty()
                child = os.fork()
                if child == 0:
                    os.setsid()
                    os.close(terminal)
                    # Python ignores SIGPIPE, and shells ignore SIGQUIT in background jobs.
                    signal.signal(number, signal.SIG_DFL)
                    for descriptor in range(3):
                        os.dup2(other, descriptor)
                    os.execv(program[0], program)
                seen = b""
                while b": " not in seen:
                    seen += os.read(terminal, 1000)
                echo = lambda: bool(termios.tcgetattr(other)[3] & termios.ECHO)
                print(echo())
                os.kill(child, number)
                print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), echo())
                """
            let outcome = await TestProcess.run(
                "python3",
                [
                    "-c", script, "\(signal)", TestProcess.billingService, "credentials", "add", "--account-id", "A",
                    "--client-id", "C", "--credentials-file", work.path, "--name", "main",
                ],
                // On a terminal Swift's backtracer handles SIGQUIT and would block on a terminal that is no longer read.
                environment: ["SWIFT_BACKTRACE": "enable=no"])
            #expect(outcome.output == "False\n-\(signal) True\n", "\(outcome.errors)")
        }
    }

    @Test("verify prints the token's scopes, the missing scopes, or why Zoom issued no token")
    func verify() async throws {
        var app = TestZoom.app
        app.scopes = ["billing:master", "user:read"]
        let zoom = SandboxZoom(configuration: SandboxConfiguration(apps: [app], accounts: 1), time: SystemTime())
        try await withServer(zoom) { server in
            try await Self.with { work in
                func verify(_ path: String = "/oauth/token", api: String = "/v2") async -> TestProcess.Outcome {
                    await work.run(
                        "verify", "--zoom-oauth-url", "http://127.0.0.1:\(server.port)\(path)", "--zoom-api-url",
                        "http://127.0.0.1:\(server.port)\(api)")
                }
                func put(_ account: String, _ secret: String) throws {
                    let credentials = MasterCredentials(
                        name: Name(literal: "main"), accountID: AccountID(literal: account), clientID: app.clientID,
                        clientSecret: Secret(secret))
                    try PrivateFile(path: work.path).update { _ in
                        CredentialsDocument(masters: [.init(credentials)]).text
                    }
                }
                try put(app.accountID, app.clientSecret)
                let missing = await verify()
                #expect(missing.status == 1)
                #expect(
                    missing.output == """
                        main: Zoom issued a token, valid for 3600 s
                          scopes: billing:master user:read
                          Get billing information: permitted by billing:master
                          List billing invoices: permitted by billing:master
                          Get invoice details: permitted by billing:master
                          Download an invoice file: permitted by billing:master
                          Get plan information: permitted by billing:master
                          Get plan usage: permitted by billing:master
                          List sub accounts: NOT PERMITTED, requires one of account:master, account:read:admin, \
                        account:read:list_sub_accounts:master
                          Get sub account details: NOT PERMITTED, requires one of account:master, account:write:admin, \
                        account:read:sub_account:master, account:read:sub_account:admin
                          Update billing information: permitted by billing:master
                          Subscribe plans: permitted by billing:master
                          Subscribe additional plan: permitted by billing:master
                          Update an additional plan: permitted by billing:master
                          Cancel additional plans: permitted by billing:master
                          Update a base plan: permitted by billing:master
                          Cancel a base plan: permitted by billing:master
                          add the missing scopes to the app in the Zoom App Marketplace and activate it again; Zoom may take \
                        until the next day
                          Zoom's API responds at http://127.0.0.1:\(server.port)/v2

                        """, "\(missing.errors)")
                app.scopes = ["account:master", "billing:master"]
                zoom.replace(app)
                let whole = await verify()
                #expect(whole.status == 0 && whole.output.contains("List sub accounts: permitted by account:master"))
                let elsewhere = await verify("/elsewhere")
                #expect(elsewhere.status == 1 && elsewhere.output.contains("answers with status 404"))
                #expect(
                    elsewhere.output.contains("/elsewhere answers with status 404, and not in Zoom's form")
                        && elsewhere.output.contains("check zoom.oauth-url (Zoom's is https://zoom.us/oauth/token)"))
                let noVersion = await verify(api: "")
                #expect(noVersion.status == 1 && noVersion.output.contains("permitted by account:master"))
                #expect(
                    noVersion.output.contains(
                        "NO RESPONSE FROM ZOOM'S API. http://127.0.0.1:\(server.port) answers with status 404")
                        && noVersion.output.contains("check zoom.api-url (it must end in /v2"))
                for (fault, words) in [
                    ("redirect", "answers with a redirect (status 302, to https://login.example)"),
                    ("html", "answers with a web page (status 200)"),
                ] {
                    for operation in [SandboxOperation.requestAccessToken, .listSubAccounts] {
                        var fault = SandboxFault(try #require(SandboxFault.Kind(rawValue: fault)), operation: operation)
                        if fault.kind == .html { fault.status = 200 }
                        fault.times = 1
                        zoom.add(fault)
                        let outcome = await verify()
                        let setting = operation == .requestAccessToken ? "zoom.oauth-url" : "zoom.api-url"
                        #expect(outcome.status == 1 && outcome.output.contains(words), "\(outcome.output)")
                        #expect(outcome.output.contains("check \(setting)"), "\(outcome.output)")
                    }
                }

                try put(app.accountID, "hunter2")
                let secret = await verify()
                #expect(secret.status == 1)
                #expect(
                    secret.output.hasPrefix(
                        "main: no token. Zoom does not know the client id, or the secret does not match"))
                try put("B", app.clientSecret)
                let account = await verify()
                #expect(account.status == 1 && account.output.contains("Zoom rejects the account id"))
                let nobody = await work.run("verify", "--zoom-oauth-url", "http://127.0.0.1:1/oauth/token")
                #expect(
                    nobody.status == 1
                        && nobody.output.contains(
                            "main: no token. 127.0.0.1:1 refused the connection: check the host and port in zoom.oauth-url"
                        ))
                let deaf = await work.run(
                    "verify", "--zoom-oauth-url", "http://127.0.0.1:\(server.port)/oauth/token", "--zoom-api-url",
                    "http://127.0.0.1:1/v2")
                #expect(deaf.status == 1)
                for outcome in [missing, whole, elsewhere, secret, account, nobody] {
                    let all = outcome.output + outcome.errors
                    #expect(!all.contains("hunter2") && !all.contains(app.clientSecret) && !all.contains("sandbox."))
                }
            }
        }
    }
}
