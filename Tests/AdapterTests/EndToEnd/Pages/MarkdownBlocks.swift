import Foundation
import Testing

/// A code block of a Markdown text; the language is empty if none is given.
struct CodeBlock {
    let language: String
    let text: String
}

extension String {
    /// The code blocks of a Markdown text, in order.
    var codeBlocks: [CodeBlock] {
        // Every second part is a block, and its first line is the language.
        components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 1 }.map { _, block in
            let lines = block.split(separator: "\n", omittingEmptySubsequences: false)
            return CodeBlock(
                language: lines.first.map(String.init) ?? "",
                text: lines.dropFirst().dropLast().joined(separator: "\n"))
        }
    }

    /// The code blocks of a language; "" selects blocks without a language.
    func blocks(_ language: String) -> [String] {
        codeBlocks.filter { $0.language == language }.map(\.text)
    }
}

/// Runs the blocks `sh` of a page in one shell, and compares what each prints with the block `text` that follows it.
///
/// - Parameter edit: Changes a command to the addresses of the test.
func checkCommands(
    of page: String, in folder: String, environment: [String: String], edit: (String) -> String = { $0 }
) async throws {
    let text = try String(contentsOf: TestProcess.root.appending(path: page), encoding: .utf8)
    let blocks = text.codeBlocks.filter { ["sh", "text"].contains($0.language) }
    // U+001E separates the outputs.
    let script = blocks.filter { $0.language == "sh" }.map { edit($0.text) }.joined(separator: "\nprintf '\\036'\n")
    let outcome = await TestProcess.run("sh", ["-ec", "cd '\(folder)'\n\(script)"], environment: environment)
    #expect(outcome.status == 0, "\(outcome)")
    let outputs = outcome.output.split(separator: "\u{1E}", omittingEmptySubsequences: false)
    var printed = ""
    var commands = 0
    for block in blocks {
        if block.language == "sh" {
            guard commands < outputs.count else { return }
            printed = outputs[commands].trimmingCharacters(in: .newlines)
            commands += 1
        } else {
            #expect(printed == block.text, "\(page)")
        }
    }
    #expect(commands > 2)
}

extension RunningService {
    /// The variables that the commands of the pages need: the address, the token, two accounts, and the program in PATH.
    func environment(_ more: [String: String] = [:]) -> [String: String] {
        let folder = URL(filePath: TestProcess.billingService).deletingLastPathComponent().path(percentEncoded: false)
        let tools = TestProcess.root.appending(path: ".venv/bin").path(percentEncoded: false)
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return ["BASE": base, "TOKEN": token, "PATH": "\(folder):\(tools):\(path)"].merging(more) { $1 }
    }
}
