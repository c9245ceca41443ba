/// Parts that the pages of documents share.
extension HTMLWriter {
    /// Writes a whole page.
    mutating func document(_ title: String, style: String, _ body: (inout HTMLWriter) -> Void) {
        markup("<!doctype html>\n")
        element("html", [("lang", "en")]) { page in
            page.element("head") { page in
                page.markup(
                    """
                    <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\
                    <meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
                    """)
                page.element("title", title)
                page.raw("<style>\(style)</style>")
            }
            page.element("body", [], body)
        }
    }

    mutating func paragraph(_ text: String) {
        element("p") { $0.marked(text) }
    }

    /// Writes text. What is in backticks is code.
    mutating func marked(_ text: String) {
        for (index, part) in text.split(separator: "`", omittingEmptySubsequences: false).enumerated() {
            if index.isMultiple(of: 2) { self.text(String(part)) } else { element("code", String(part)) }
        }
    }
}
