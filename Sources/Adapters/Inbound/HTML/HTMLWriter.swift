/// Writes HTML. Text and attribute values are escaped, so no value can become markup.
struct HTMLWriter {
    private(set) var html = ""

    /// Writes text.
    mutating func text(_ text: String) {
        for character in text.unicodeScalars {
            switch character {
            case "&": html += "&amp;"
            case "<": html += "&lt;"
            case ">": html += "&gt;"
            case "\"": html += "&quot;"
            default: html.unicodeScalars.append(character)
            }
        }
    }

    /// Writes markup unchanged.
    mutating func markup(_ markup: StaticString) { html += "\(markup)" }

    /// Writes markup that another writer has made, or a file of this program, unchanged.
    mutating func raw(_ markup: String) { html += markup }

    /// Writes an element; `content` writes what is inside.
    mutating func element(
        _ name: StaticString, _ attributes: [(StaticString, String)] = [], _ content: (inout HTMLWriter) -> Void
    ) {
        open(name, attributes)
        content(&self)
        html += "</\(name)>"
    }

    /// Writes an element with text.
    mutating func element(_ name: StaticString, _ attributes: [(StaticString, String)], _ content: String) {
        element(name, attributes) { $0.text(content) }
    }

    mutating func element(_ name: StaticString, _ content: String) { element(name, [], content) }

    /// Writes an element without an end tag, such as `meta`, or the start tag of another.
    mutating func open(_ name: StaticString, _ attributes: [(StaticString, String)] = []) {
        html += "<\(name)"
        for (name, value) in attributes {
            html += " \(name)=\""
            text(value)
            html += "\""
        }
        html += ">"
    }
}
