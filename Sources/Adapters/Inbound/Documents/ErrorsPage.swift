import NIOCore

/// The page that the `type` of an error refers to, with a section for each problem. Its content is that of docs/errors.md.
enum ErrorsPage {
    static let document = PublishedDocument(page: page, policy: policy)

    private static let style = String(buffer: EmbeddedFile.documentStyle)
    private static let policy = ContentSecurityPolicy([("style-src", [ContentSecurityPolicy.hash(of: style)])])

    private static var page: HTMLWriter {
        var page = HTMLWriter()
        page.document("Errors of billing-service", style: style) { page in
            page.markup("<header><h1>Errors</h1>")
            page.element("nav", [("aria-label", "Sections")]) { page in
                page.link("codes", "Zoom's codes")
                page.link("all", "All errors")
                for group in ProblemType.Group.allCases { page.link(group.anchor, group.rawValue) }
            }
            page.markup("</header><main>")
            for paragraph in ProblemReference.introduction { page.paragraph(paragraph) }
            page.markup(#"<h2 id="members">Members</h2>"#)
            page.table(["Member", "Meaning"]) { page in
                for (name, meaning) in ProblemReference.members { page.row(["`\(name)`", meaning]) }
            }
            page.markup(#"<h2 id="codes">Zoom's codes</h2>"#)
            page.table(["Code", "Meaning", "Problems"]) { page in
                for (code, meaning) in ProblemReference.codes {
                    page.element("tr") { page in
                        page.element("td", "\(code)")
                        page.element("td") { $0.marked(meaning) }
                        page.element("td") { $0.links(ProblemReference.types(withCode: code)) }
                    }
                }
            }
            page.element("p") { page in
                page.text("Zoom's other codes come only with ")
                page.links([.zoomRefused, .zoomNotFound])
                page.text(".")
            }
            page.markup(#"<h2 id="all">All errors</h2>"#)
            page.table(["Status", "Code", "Name", "Title", "Repeat the request?"]) { page in
                for type in ProblemReference.byStatus {
                    let problem = type.explanation
                    page.element("tr") { page in
                        page.element("td", "\(problem.status)")
                        page.element("td", problem.codeText)
                        page.element("td") { $0.links([type]) }
                        page.element("td", problem.title)
                        page.element("td") { $0.marked(problem.repetition.summary) }
                    }
                }
            }
            for group in ProblemType.Group.allCases {
                page.element("h2", [("id", group.anchor)], group.rawValue)
                for type in ProblemReference.types(in: group) { page.section(type) }
            }
            page.markup("</main>")
        }
        return page
    }
}

extension ProblemType.Group {
    /// Not the name of a problem.
    fileprivate var anchor: String {
        switch self {
        case .request: "group-request"
        case .caller: "group-caller"
        case .account: "group-account"
        case .changes: "group-changes"
        case .limits: "group-limits"
        case .zoom: "group-zoom"
        case .service: "group-service"
        }
    }
}

extension HTMLWriter {
    fileprivate mutating func section(_ type: ProblemType) {
        let problem = type.explanation
        element("section", [("id", type.rawValue), ("aria-labelledby", "\(type.rawValue)-title")]) { page in
            page.element("h3", [("id", "\(type.rawValue)-title")]) { page in
                page.element("a", [("href", "#\(type.rawValue)")], type.rawValue)
            }
            page.element("p") { page in
                page.element("strong", problem.title)
                page.text(" (status \(problem.status), code \(problem.codeText))")
            }
            page.paragraph(problem.meaning)
            page.element("dl") { page in
                page.definition("What to do", problem.action)
                page.definition("Repeat the request?", problem.repetition.text)
                page.definition("Who can mend it?", problem.mendedBy.text)
            }
        }
    }

    private mutating func definition(_ name: String, _ text: String) {
        element("dt", name)
        element("dd") { $0.marked(text) }
    }

    fileprivate mutating func link(_ anchor: String, _ text: String) {
        element("a", [("href", "#\(anchor)")], text)
    }

    fileprivate mutating func links(_ types: [ProblemType]) {
        for (index, type) in types.enumerated() {
            if index > 0 { text(", ") }
            element("a", [("href", "#\(type.rawValue)")]) { $0.element("code", type.rawValue) }
        }
    }

    fileprivate mutating func table(_ columns: [String], _ rows: (inout HTMLWriter) -> Void) {
        element("div", [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", columns[0])]) {
            page in
            page.element("table") { page in
                page.element("thead") { page in
                    page.element("tr") { page in
                        for column in columns { page.element("th", [("scope", "col")], column) }
                    }
                }
                page.element("tbody", [], rows)
            }
        }
    }

    fileprivate mutating func row(_ cells: [String]) {
        element("tr") { page in
            for cell in cells { page.element("td") { $0.marked(cell) } }
        }
    }
}
