/// The values of `--color`.
package enum ColorChoice: String, CaseIterable, Sendable {
    /// On a terminal that has colours, unless the environment says otherwise.
    case auto
    case always
    case never

    /// What the user has decided: here, or for all programs with `NO_COLOR` (no-color.org) or `CLICOLOR_FORCE`
    /// (bixense.com/clicolors). An empty variable counts as missing.
    ///
    /// - Returns: nil if the terminal decides.
    func allowsColors(_ environment: [String: String]) -> Bool? {
        switch self {
        case .always: return true
        case .never: return false
        case .auto:
            if !(environment["NO_COLOR"] ?? "").isEmpty { return false }
            return ["", "0"].contains(environment["CLICOLOR_FORCE"] ?? "") ? nil : true
        }
    }
}
