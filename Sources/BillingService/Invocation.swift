import Adapters
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// The arguments and environment variables this program was started with, byte for byte: paths need not be UTF-8. In the
/// form of `SystemText`.
enum Invocation {
    /// Without the name of the program.
    static var arguments: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { argument in SystemText.text { argument[$0] } }
        }
    }

    static var environment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        // Foundation may replace or drop values that are not UTF-8.
        for name in Set(environment.keys).union(Setting.all.map(\.variableName)).union(["NOTIFY_SOCKET"]) {
            guard let value = getenv(name) else { continue }
            environment[name] = SystemText.text { value[$0] }
        }
        return environment
    }
}
