import Adapters
import Foundation
import Testing

/// The sources keep to what `docs/architecture.md` says of them.
@Suite("The sources")
struct TidyTests {
    struct Source {
        /// From the top of the checkout.
        let path: String
        let lines: [String]

        /// The folder of `Adapters` it is in.
        var room: String? {
            let parts = path.split(separator: "/").map(String.init)
            return parts.count > 3 && parts[1] == "Adapters" ? parts[2] : nil
        }

        var imports: [String] {
            lines.compactMap { line in
                line.firstMatch(of: /^(?:[@a-z]+ )?import (?:struct |class )?(\w+)/).map {
                    String($0.output.1)
                }
            }
        }

        /// Without comments.
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

    /// Each place where a line of code has the text, as `path:line`.
    private func places(of text: String, in sources: [Source]) -> [String] {
        sources.flatMap { source in
            source.code.filter { $0.text.contains(text) }.map { "\(source.path):\($0.number)" }
        }
    }

    @Test("of the domain import nothing but the standard library")
    func domain() throws {
        for source in try Self.sources(under: "Sources/Domain") {
            #expect(Set(source.imports).isSubset(of: ["Synchronization"]), "\(source.path)")
            for word in ["HTTP", "JSON", "NIO", "Foundation", "URL"] {
                #expect(places(of: word, in: [source]).isEmpty, "\(word) is no word of the domain's: \(source.path)")
            }
        }
    }

    @Test("of the HTTP and TLS rooms know nothing of billing", arguments: ["HTTP", "TLS"])
    func transport(room: String) throws {
        for source in try Self.sources(under: "Sources/Adapters/\(room)") {
            #expect(!source.imports.contains("Domain"), "\(source.path)")
        }
    }

    @Test("of the adapters do not use one another's types: they meet in the composition")
    func rooms() throws {
        let rooms = ["Inbound", "Zoom", "Credentials", "Sandbox"]
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

    @Test("have unsafe pointers in the wrappers of C alone")
    func unsafe() throws {
        let wrappers = ["HTTP", "TLS", "Crypto", "Memory"]
        let others = try Self.sources(under: "Sources").filter { source in
            source.room.map { !wrappers.contains($0) } ?? true
        }
        for word in ["withUnsafe", "Unsafe", "Unmanaged", "OpaquePointer", "CHTTP2"] {
            #expect(places(of: word, in: others).isEmpty, "use a wrapper, or a span")
        }
    }

    @Test("say why what is not checked is safe")
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
        "leave alone what has a better way",
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

    @Test("are named after the one thing in them, and are no rooms for leftovers")
    func names() throws {
        for source in try Self.sources(under: "Sources") {
            for name in ["Utils", "Common", "Helpers", "Misc", "Extensions"] {
                #expect(!source.path.contains(name), "put it beside its one user, or name the concept")
            }
        }
    }

    @Test("have a defence for each row of the threat model, and a row for each defence, with a setting that exists")
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

    @Test(
        "that the docs name are there",
        arguments: [
            "README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/balancers.md", "docs/files.md",
            "docs/operations.md", "docs/runbook.md", "docs/sandbox.md", "docs/streaming.md", "docs/threat-model.md",
        ])
    func docs(path: String) throws {
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
