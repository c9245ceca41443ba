import Adapters
import ArgumentParser
import Domain
import NIOCore
import NIOPosix

struct StateInspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what the state file and the file with cached answers have.",
        discussion: """
            Prints counts, sizes and times, and no key, account or answer. A service may use the files meanwhile.

            \(StateFileFlags.exitCodes)
            """)

    @Flag(help: "Print JSON, for programs.")
    var json = false

    @OptionGroup var fileFlags: StateFileFlags

    func run() async throws {
        let files = try await fileFlags.files()
        let report = try await NIOThreadPool.singleton.runIfActive { try files.report() }
        guard report.keys.file.bytes != nil || report.answers.file.bytes != nil else {
            throw CommandFailure("\(report.keys.file.path): no such file", status: .notFound)
        }
        if json {
            try await Output.writeJSON(report.json)
        } else {
            try Output.write(report.text)
        }
        if let problem = report.keys.file.problem ?? report.answers.file.problem {
            throw CommandFailure("a file cannot be read: \(problem)")
        }
    }
}

extension StateReport {
    /// Lines with a name and a value.
    fileprivate var text: String {
        var lines = Self.lines(keys.file, "keys")
        lines += keys.states.map { ("keys_\($0.state)", "\($0.count)") }
        lines += Self.lines(answers.file, "answers")
        if answers.file.version != nil, answers.file.problem == nil {
            lines += [
                ("answers_pages", "\(answers.pages)"), ("answers_count", "\(answers.answers)"),
                ("answers_documents", "\(answers.documents)"),
                ("answers_oldest", Self.time(answers.oldest) ?? "-"),
                ("answers_newest", Self.time(answers.newest) ?? "-"),
            ]
            lines += answers.keyIDs.map { id, count in
                ("answers_encrypted", (id.map { "with the key \($0)" } ?? "no") + ": \(count) pages and documents")
            }
        }
        lines += setAside.map { ("set_aside", "\($0.path): \($0.bytes) bytes") }
        lines.append(("in_use", isInUse ? "yes" : "no"))
        return lines.map { "\($0.0): \(TerminalText.escaped($0.1))\n" }.joined()
    }

    private static func lines(_ file: File, _ name: String) -> [(String, String)] {
        var lines = [("\(name)_file", file.path)]
        guard let bytes = file.bytes else { return lines + [("\(name)_bytes", "no file")] }
        lines.append(("\(name)_bytes", "\(bytes)"))
        if let version = file.version { lines.append(("\(name)_version", "\(version)")) }
        if let problem = file.problem { lines.append(("\(name)_problem", problem)) }
        return lines
    }

    fileprivate var json: ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeJSONObject { object in
            object.member("keys") { buffer in
                buffer.writeJSONObject { member in
                    Self.write(keys.file, &member)
                    member.member("states") { buffer in
                        buffer.writeJSONObject { states in
                            for (state, count) in keys.states {
                                states.member(named: state) { $0.writeString("\(count)") }
                            }
                        }
                    }
                }
            }
            object.member("answers") { buffer in
                buffer.writeJSONObject { member in
                    Self.write(answers.file, &member)
                    member.member("pages", answers.pages)
                    member.member("count", answers.answers)
                    member.member("documents", answers.documents)
                    member.member("oldest", Self.time(answers.oldest))
                    member.member("newest", Self.time(answers.newest))
                    member.member("encrypted") { buffer in
                        buffer.writeJSONArray(answers.keyIDs) { buffer, key in
                            buffer.writeJSONObject { member in
                                member.member("key", key.id)
                                member.member("rows", key.count)
                            }
                        }
                    }
                }
            }
            object.member("set_aside") { buffer in
                buffer.writeJSONArray(setAside) { buffer, file in
                    buffer.writeJSONObject { member in
                        member.member("file", file.path)
                        member.member("bytes", file.bytes)
                    }
                }
            }
            object.member("in_use", isInUse)
        }
        return buffer
    }

    private static func write(_ file: File, _ member: inout JSONMemberWriter) {
        member.member("file", file.path)
        member.member("bytes", file.bytes)
        member.member("version", file.version)
        member.member("problem", file.problem)
    }

    private static func time(_ seconds: Int64?) -> String? {
        seconds.map { Timestamp(secondsSinceEpoch: $0).rfc3339 }
    }
}
