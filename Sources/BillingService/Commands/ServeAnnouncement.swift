import Adapters
import Domain
import NIOCore

/// What `serve` prints on standard output when its listeners are open: the addresses, and commands to try.
struct ServeAnnouncement {
    private let application: Application
    private let display: TerminalDisplay

    /// - Parameter display: What standard output can show.
    init(_ application: Application, on display: TerminalDisplay) {
        self.application = application
        self.display = display
    }

    private var base: String { url(application.isEncrypted ? "https" : "http", application.address) }
    private var opsBase: String { url("http", application.opsAddress) }

    /// Programs read the lines that begin with `Listening on` and `Operations on`. A terminal has more around them.
    var text: String {
        let addresses = "Listening on \(base)\nOperations on \(opsBase)\n"
        guard display.isTerminal else { return addresses + (application.sandbox.map(sandboxText) ?? "") }
        let title = TerminalStyle.bold.applied(to: "billing-service \(BuildInfo.version)", display.hasColors)
        return "\n\(title)\n\n\(addresses)\n\(places)\n\(commands)\n"
    }

    // MARK: On a terminal

    private var places: String {
        let zoom =
            application.sandbox.map {
                "a sandbox with \($0.accounts.count) sub accounts at \($0.zoom) (docs/sandbox.md)"
            }
            ?? "master accounts " + application.masterNames.map(\.rawValue).joined(separator: ", ")
        let rows = [
            ("Operator's page", reachable(opsBase) + "/"), ("API page", reachable(opsBase) + "/api"), ("Zoom", zoom),
            ("To stop", "Ctrl-C"),
        ]
        return rows.map { name, value in
            let padded = name + String(repeating: " ", count: 15 - name.count)
            return TerminalStyle.dim.applied(to: padded, display.hasColors) + "  " + value + "\n"
        }.joined()
    }

    private var commands: String {
        if let sandbox = application.sandbox { return "Try:\n\n" + examples(sandbox) }
        func command(_ words: String...) -> String { ShellText.command([Invocation.program] + words) + "\n" }
        return "Try, with the token of a caller in BILLING_TOKEN:\n\n"
            + command("accounts", "--url", reachable(base), "--limit", "10")
            + "curl -N -H \"authorization: Bearer $BILLING_TOKEN\" \(reachable(base))/v2/billing/stream\n"
            + "curl '\(reachable(opsBase))/readyz?verbose'\n"
    }

    // MARK: Sandbox

    private func sandboxText(_ sandbox: SandboxAccess) -> String {
        "\nThe sandbox simulates Zoom with \(sandbox.accounts.count) sub accounts at \(sandbox.zoom) (docs/sandbox.md). "
            + "Try:\n\n" + examples(sandbox)
    }

    /// One account with billing information, one on self pay, and all of them.
    private func examples(_ sandbox: SandboxAccess) -> String {
        let accounts = sandbox.accounts
        func curl(_ path: String, _ options: String = "") -> String {
            // Clients do not trust the certificate of a trial.
            let protocolFlag = application.isEncrypted ? "--insecure" : "--http2-prior-knowledge"
            return "curl \(protocolFlag) \(options)-H 'authorization: Bearer \(sandbox.callerToken)' "
                + "\(reachable(base))\(path)\n"
        }
        var text = ""
        if let number = (0..<accounts.count).first(where: { !accounts.isSelfPay($0) }) {
            text += curl("/v2/accounts/\(accounts.id(of: number))/billing")
        }
        if let number = (0..<accounts.count).first(where: accounts.isSelfPay) {
            text += curl("/v2/accounts/\(accounts.id(of: number))/billing")
        }
        return text + curl("/v2/billing/stream", "-N ")
    }

    // MARK: Addresses

    private func url(_ scheme: String, _ address: SocketAddress) -> String {
        "\(scheme)://\(Output.authority(of: address))"
    }

    /// The URL for a client on this machine: the loopback address if the listener is on all addresses.
    private func reachable(_ url: String) -> String {
        url.replacing("//0.0.0.0:", with: "//127.0.0.1:").replacing("//[::]:", with: "//[::1]:")
    }
}
