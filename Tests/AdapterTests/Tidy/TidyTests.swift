import Adapters
import Foundation
import Testing

/// The rules for sources, tests and docs that no compiler checks.
@Suite("Tidiness")
struct TidyTests {
    struct Source {
        /// Relative to the top of the checkout.
        let path: String
        let lines: [String]

        /// The folder of `Adapters` that has the file; nil outside `Adapters`.
        var room: String? {
            let parts = path.split(separator: "/").map(String.init)
            return parts.count > 3 && parts[1] == "Adapters" ? parts[2] : nil
        }

        var imports: [String] {
            lines.filter { $0.contains("import ") }.compactMap { line in
                line.firstMatch(of: /^(?:[@a-z]+ )?import (?:struct |class )?(\w+)/).map {
                    String($0.output.1)
                }
            }
        }

        /// The lines that are not comments.
        var code: [(number: Int, text: String)] {
            lines.enumerated().compactMap { index, line in
                let text = line.drop { $0 == " " }
                return text.hasPrefix("//") ? nil : (index + 1, String(text))
            }
        }
    }

    private static func sources(under folder: String) throws -> [Source] {
        let top = TestProcess.root.appending(path: folder).path(percentEncoded: false)
        return try FileManager.default.subpathsOfDirectory(atPath: top).filter { $0.hasSuffix(".swift") }.sorted().map {
            let text = try String(contentsOfFile: top + "/" + $0, encoding: .utf8)
            return Source(path: folder + "/" + $0, lines: text.components(separatedBy: "\n"))
        }
    }

    /// The lines of code that contain the text, as `path:line`.
    private func places(of text: String, in sources: [Source]) -> [String] {
        sources.flatMap { source in
            source.code.filter { $0.text.contains(text) }.map { "\(source.path):\($0.number)" }
        }
    }

    @Test("the domain imports only the standard library and has no words of HTTP, JSON or NIO")
    func domain() throws {
        for source in try Self.sources(under: "Sources/Domain") {
            #expect(Set(source.imports).isSubset(of: ["Synchronization"]), "\(source.path)")
            for word in ["HTTP", "JSON", "NIO", "Foundation", "URL"] {
                #expect(places(of: word, in: [source]).isEmpty, "\(word) does not belong in the domain: \(source.path)")
            }
        }
    }

    @Test("the HTTP and TLS rooms do not import the domain", arguments: ["HTTP", "TLS"])
    func transport(room: String) throws {
        for source in try Self.sources(under: "Sources/Adapters/\(room)") {
            #expect(!source.imports.contains("Domain"), "\(source.path)")
        }
    }

    @Test("adapters do not use each other's types; only the composition connects them")
    func rooms() throws {
        let rooms = ["Inbound", "Zoom", "Credentials", "Sandbox", "State"]
        let sources = try Self.sources(under: "Sources/Adapters")
        for room in rooms {
            let declared = sources.filter { $0.room == room }.flatMap { source in
                source.lines.compactMap { line in
                    line.firstMatch(of: /^(?:package |private )?(?:final )?(?:struct|class|enum|actor|protocol) (\w+)/)
                        .map { String($0.output.1) }
                }
            }
            #expect(!declared.isEmpty)
            for source in sources where source.room.map({ rooms.contains($0) && $0 != room }) ?? false {
                for (number, text) in source.code {
                    let words = Set(text.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.map(String.init))
                    let foreign = words.intersection(declared)
                    #expect(foreign.isEmpty, "\(source.path):\(number) uses \(foreign) of \(room)")
                }
            }
        }
    }

    @Test("only the wrappers of C libraries use unsafe pointers")
    func unsafe() throws {
        let wrappers = ["Assets", "HTTP", "TLS", "Crypto", "Process", "Files", "Redis", "State"]
        let others = try Self.sources(under: "Sources").filter { source in
            source.room.map { !wrappers.contains($0) } ?? true
        }
        for word in ["withUnsafe", "Unsafe", "Unmanaged", "OpaquePointer", "CAssets", "CHTTP2", "CHiredis", "CSQLite"] {
            #expect(places(of: word, in: others).isEmpty, "use a wrapper, or a span")
        }
    }

    @Test("every unchecked annotation has a comment with its invariant")
    func invariants() throws {
        for source in try Self.sources(under: "Sources") + Self.sources(under: "Tests") {
            for (number, text) in source.code
            where text.contains("nonisolated" + "(unsafe)") || text.contains("@" + "unchecked")
                || text.contains("unowned" + "(unsafe)")
            {
                let above = source.lines[..<(number - 1)].last ?? ""
                #expect(above.contains("//") && above.contains("afe"), "\(source.path):\(number) needs its invariant")
            }
        }
    }

    @Test(
        "banned calls are not used",
        arguments: [
            ("Sources", "print(", "log it, or use Output"),
            ("Sources", "fatalError(", "answer it, or use a precondition"),
            ("Sources", "try" + "!", "handle it"), ("Tests", "Task" + ".sleep", "wait for the event, or use TestClock"),
            ("Tests", "sleep" + "(for", "wait for the event, or use TestClock"),
            ("Sources", "@" + "testable", "make it package"), ("Tests", "@" + "testable", "make it package"),
        ])
    func banned(folder: String, word: String, instead: String) throws {
        #expect(places(of: word, in: try Self.sources(under: folder)).isEmpty, "\(instead)")
    }

    /// A time limit ends a test that hangs. A shorter one also ends a test that a busy machine slows down.
    @Test("no test has a time limit below ten minutes")
    func timeLimits() throws {
        for source in try Self.sources(under: "Tests") {
            for (number, text) in source.code where text.contains("timeLimit") {
                for limit in text.matches(of: /timeLimit\(\.minutes\((\d+)\)\)/) {
                    #expect(Int(limit.output.1).map { $0 >= 10 } == true, "\(source.path):\(number)")
                }
            }
        }
    }

    @Test("no file or folder is named for helpers or leftovers")
    func names() throws {
        for source in try Self.sources(under: "Sources") {
            for name in ["Utils", "Common", "Helpers", "Misc", "Extensions"] {
                #expect(!source.path.contains(name), "put it beside its one user, or name the concept")
            }
        }
    }

    private static let filesMax = 12

    /// Folders with more files than `filesMax`. Lower a number when its folder shrinks; do not add a folder.
    private static let largeFolders: [String: Int] = [
        "Tests/AdapterTests/EndToEnd": 24,
        "Tests/AdapterTests/HTTP": 23,
    ]

    @Test(
        "no folder has more than twelve source files, except those listed with their number",
        arguments: ["Sources", "Tests"])
    func folders(top: String) throws {
        let files = Dictionary(grouping: try Self.sources(under: top)) {
            $0.path.split(separator: "/").dropLast().joined(separator: "/")
        }
        for (folder, sources) in files {
            let limit = Self.largeFolders[folder] ?? Self.filesMax
            #expect(sources.count <= limit, "\(folder): group the files by what a newcomer looks for")
        }
    }

    /// The modules that only some rooms import. A room is a folder of `Adapters`, or another target of `Sources`.
    private static let importers: [String: Set<String>] = [
        "Adapters": ["BillingService"],
        "ArgumentParser": ["BillingService"],
        "CAssets": ["Assets"],
        "CHTTP2": ["Crypto", "Files", "HTTP", "Process", "TLS"],
        "CHiredis": ["Redis"],
        "CSQLite": ["State"],
        "Configuration": ["BillingService"],
        "CoreMetrics": ["Observability"],
        "Domain": [
            "BillingService", "Credentials", "Crypto", "Inbound", "JSON", "Observability", "Process", "Redis",
            "Sandbox",
            "SharedState", "State", "Zoom",
        ],
        "Foundation": [],
        "FoundationEssentials": ["Crypto", "HTTP", "Inbound", "Observability", "Process", "Sandbox", "State", "Zoom"],
        "Instrumentation": ["Inbound", "Observability", "Zoom"],
        "Metrics": [
            "BillingService", "Files", "HTTP", "Inbound", "Observability", "Redis", "SharedState", "State", "TLS",
            "Zoom",
        ],
        "NIOCore": [
            "Assets", "BillingService", "Credentials", "Files", "HTTP", "Inbound", "JSON", "Observability", "Process",
            "Redis",
            "Sandbox", "TLS", "Zoom",
        ],
        "NIOEmbedded": ["HTTP"],
        "NIOExtras": ["HTTP"],
        "NIOHTTP1": ["HTTP"],
        "NIOHTTPCompression": ["HTTP"],
        "NIOPosix": ["BillingService", "Files", "HTTP", "Observability", "Process", "Redis", "State", "Zoom"],
        "ServiceLifecycle": [
            "BillingService", "Files", "HTTP", "Inbound", "Observability", "Process", "Redis", "SharedState", "State",
            "TLS", "Zoom",
        ],
        "Tracing": ["Inbound", "Observability", "Zoom"],
        "UnixSignals": ["BillingService"],
    ]

    @Test("a module is imported only by the rooms that need it")
    func imports() throws {
        for source in try Self.sources(under: "Sources") {
            let room = source.room ?? source.path.split(separator: "/").dropFirst().first.map(String.init) ?? ""
            for module in source.imports {
                guard let rooms = Self.importers[module] else { continue }
                #expect(rooms.contains(room), "\(source.path) imports \(module), which belongs to \(rooms.sorted())")
            }
        }
    }

    @Test("the contract has the version of the program")
    func version() throws {
        let contract = try String(contentsOf: TestProcess.root.appending(path: "openapi.yaml"), encoding: .utf8)
        #expect(contract.contains("\n  version: \(BuildInfo.version)\n"))
    }

    @Test("the threat model has one row for each defence, and its settings exist")
    func threatModel() async throws {
        let text = try String(contentsOf: TestProcess.root.appending(path: "docs/threat-model.md"), encoding: .utf8)
        let rows = text.split(separator: "\n").compactMap {
            $0.firstMatch(of: /^\| `([a-z-]+)` \|.*\| (.*) \|$/)?.output
        }
        #expect(rows.map { String($0.1) } == Defence.allCases.map(\.rawValue))
        let printed = await TestProcess.run(TestProcess.billingService, ["serve", "--sandbox", "--print-config"]).output
        for row in rows {
            for setting in row.2.matches(of: /`([a-z.-]+)`/) {
                #expect(printed.contains("\(setting.output.1) = "), "\(setting.output.1)")
            }
        }
    }

    /// The pages of the repository, except settings.md, whose backticks quote values, and the decisions.
    private static func pages() throws -> [String] {
        let top = TestProcess.root.path(percentEncoded: false)
        let inDocs = try FileManager.default.subpathsOfDirectory(atPath: top + "docs").map { "docs/" + $0 }
        return ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
            + inDocs.filter {
                $0.hasSuffix(".md") && $0 != "docs/settings.md" && !$0.hasPrefix("docs/decisions/")
            }.sorted()
    }

    @Test("every file named in the docs exists, and every page and heading that a page links to")
    func docs() throws {
        for path in try Self.pages() {
            try checkNames(in: path)
            try checkLinks(of: path)
        }
    }

    @Test("docs/README.md lists every page in docs/")
    func index() throws {
        let folder = TestProcess.root.appending(path: "docs")
        let index = try String(contentsOf: folder.appending(path: "README.md"), encoding: .utf8)
        let pages = try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false)).filter {
            $0.hasSuffix(".md") && $0 != "README.md"
        }
        #expect(pages.count > 15)
        for page in pages { #expect(index.contains("](\(page))"), "docs/README.md does not list \(page)") }
    }

    /// Relative links lead to files, and fragments to headings.
    private func checkLinks(of path: String) throws {
        let page = TestProcess.root.appending(path: path)
        let text = try String(contentsOf: page, encoding: .utf8)
        for match in text.matches(of: /\]\(([^)#\s]*)(?:#([^)\s]*))?\)/) where !match.output.1.contains("://") {
            let target =
                match.output.1.isEmpty
                ? page : page.deletingLastPathComponent().appending(path: String(match.output.1)).standardized
            let isThere = FileManager.default.fileExists(atPath: target.path(percentEncoded: false))
            #expect(isThere, "\(path) links to \(match.output.1)")
            guard isThere, let fragment = match.output.2, target.pathExtension == "md" else { continue }
            let headings = try String(contentsOf: target, encoding: .utf8).split(separator: "\n")
                .filter { $0.hasPrefix("#") }.map(Self.anchor)
            #expect(headings.contains(String(fragment)), "\(path) links to \(match.output.1)#\(fragment)")
        }
    }

    /// The fragment with which a heading is linked, as GitHub makes it.
    private static func anchor(of heading: Substring) -> String {
        heading.drop { $0 == "#" || $0 == " " }.lowercased().filter {
            $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" || $0 == " "
        }.replacing(" ", with: "-")
    }

    private func checkNames(in path: String) throws {
        let text = try String(contentsOf: TestProcess.root.appending(path: path), encoding: .utf8)
        let files = try Set(
            FileManager.default.subpathsOfDirectory(
                atPath: TestProcess.root.appending(path: "Sources").path(percentEncoded: false)
            )
            .map { URL(filePath: $0).deletingPathExtension().lastPathComponent })
        for match in text.matches(of: /`([A-Za-z0-9_.\/-]+)`/) {
            let name = String(match.output.1)
            if name.contains("/") || name.hasSuffix(".md") || name.hasSuffix(".yaml") {
                guard name.first?.isUppercase == true || name.hasPrefix("docs/") || name.hasPrefix(".ci") else {
                    continue
                }
                #expect(
                    FileManager.default.fileExists(
                        atPath: TestProcess.root.appending(path: name).path(percentEncoded: false)),
                    "\(path) names \(name)")
            } else if name.hasSuffix(".swift"), name != "Package.swift" {
                #expect(files.contains(String(name.dropLast(6))), "\(path) names \(name)")
            }
        }
    }
}
