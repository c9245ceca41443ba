import Domain

/// What to do about a change whose outcome is unknown.
struct UnknownOutcome {
    private let change: AccountChange
    private let key: IdempotencyKey
    private let serviceArguments: [String]

    /// - Parameter serviceArguments: The arguments that select the service.
    init(_ change: AccountChange, _ key: IdempotencyKey, serviceArguments: [String]) {
        self.change = change
        self.key = key
        self.serviceArguments = serviceArguments
    }

    func text(reason: String) -> String {
        """
        the outcome is unknown: \(reason)
        The change may have taken effect. This command does not send it again.
        To look at the account:
          \(ShellText.command(lookup))
        To get the outcome, repeat the command with the same key. The service sends the change only once:
          \(ShellText.command(Self.repetition(of: Invocation.arguments, with: key)))
        To make the change again if the account does not have it, first remove the key:
          \(ShellText.command(removal))
        """
    }

    private var lookup: [String] {
        [Invocation.program, change.kind.lookup, "--no-cache"] + serviceArguments + argument(change.account.rawValue)
    }

    private var removal: [String] {
        [Invocation.program, "keys", "remove"] + serviceArguments + argument(key.rawValue)
    }

    private func argument(_ text: String) -> [String] {
        (text.hasPrefix("-") ? ["--"] : []) + [text]
    }

    /// The command with its key.
    private static func repetition(of arguments: [String], with key: IdempotencyKey) -> [String] {
        let flag = "--idempotency-key"
        let options = arguments.prefix { $0 != "--" }
        let hasKey = options.contains { $0 == flag || $0.hasPrefix(flag + "=") }
        // With =, since a key may begin with a dash.
        return [Invocation.program] + options + (hasKey ? [] : ["\(flag)=\(key.rawValue)"])
            + arguments.dropFirst(options.count)
    }
}
