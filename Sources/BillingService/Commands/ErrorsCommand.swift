import Adapters
import ArgumentParser

/// Prints the reference of all errors: docs/errors.md is its output.
struct ErrorsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "errors",
        abstract: "Print what each error of the API means, and what to do, as Markdown.",
        discussion: "Exit codes: 0 success, 1 failed, 64 wrong usage.")

    func run() throws {
        try Output.write(Self.text)
    }

    private static var text: String {
        var text = "# Errors\n\n"
        for paragraph in ProblemReference.introduction { text += wrapped(paragraph) + "\n" }
        text += "The service serves this page at `\(ProblemType.page)`, without a token. It is the output of "
        text += "`billing-service errors`.\n\n"
        text += "| Member | Meaning |\n|---|---|\n"
        for (name, meaning) in ProblemReference.members { text += "| `\(name)` | \(meaning) |\n" }
        text += "\n## Zoom's codes\n\n| Code | Meaning | Problems |\n|---|---|---|\n"
        for (code, meaning) in ProblemReference.codes {
            let links = ProblemReference.types(withCode: code).map(link).joined(separator: ", ")
            text += "| \(code) | \(meaning) | \(links) |\n"
        }
        text += "\nZoom's other codes come only with \(link(.zoomRefused)) and \(link(.zoomNotFound)).\n"
        text += "\n## All errors\n\n| Status | Code | Name | Title | Repeat the request? |\n|---|---|---|---|---|\n"
        for type in ProblemReference.byStatus {
            let problem = type.explanation
            text += "| \(problem.status) | \(problem.codeText) | \(link(type)) | \(problem.title) "
            text += "| \(problem.repetition.summary) |\n"
        }
        for group in ProblemType.Group.allCases {
            text += "\n## \(group.rawValue)\n"
            for type in ProblemReference.types(in: group) { text += section(type) }
        }
        return text
    }

    private static func section(_ type: ProblemType) -> String {
        let problem = type.explanation
        return "\n### \(type.rawValue)\n\n"
            + "**\(problem.title)** (status \(problem.status), code \(problem.codeText))\n\n"
            + wrapped(problem.meaning) + "\n"
            + wrapped("**What to do:** " + problem.action) + "\n"
            + wrapped("**Repeat the request?** " + problem.repetition.text) + "\n"
            + wrapped("**Who can mend it?** " + problem.mendedBy.text)
    }

    private static func link(_ type: ProblemType) -> String {
        "[`\(type.rawValue)`](#\(type.rawValue))"
    }

    private static let lineMax = 120

    /// The paragraph in lines of at most `lineMax` characters.
    private static func wrapped(_ paragraph: String) -> String {
        var text = ""
        var column = 0
        for word in paragraph.split(separator: " ") {
            if column > 0 {
                let fits = column + 1 + word.count <= lineMax
                text += fits ? " " : "\n"
                column = fits ? column + 1 : 0
            }
            text += word
            column += word.count
        }
        return text + "\n"
    }
}
