import Adapters

#if canImport(Glibc)
    // `environ` is a mutable global variable: nothing in this program changes it.
    @preconcurrency import Glibc
#endif

/// The arguments and environment variables of this process, in the form of `SystemText`: their bytes need not be UTF-8.
enum Invocation {
    /// The program as the user named it.
    static var program: String {
        guard CommandLine.argc > 0, let name = CommandLine.unsafeArgv[0] else { return "billing-service" }
        return SystemText.text { name[$0] }
    }

    /// The arguments without the name of the program.
    static var arguments: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { argument in SystemText.text { argument[$0] } }
        }
    }

    /// The first of several variables with the same name counts, as for getenv(3).
    static var environment: [String: String] {
        var environment: [String: String] = [:]
        var index = 0
        while let variable = environ[index] {
            let text = SystemText.text { variable[$0] }
            if let sign = text.utf8.firstIndex(of: UInt8(ascii: "=")) {
                let name = String(text[..<sign])
                if environment[name] == nil { environment[name] = String(text[text.utf8.index(after: sign)...]) }
            }
            index += 1
        }
        return environment
    }
}
