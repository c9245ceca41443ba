import Adapters

/// A line for a terminal, of texts with styles. Control characters are escaped.
struct StyledLine: Sendable {
    private var parts: [(text: String, style: TerminalStyle?)] = []

    init(_ text: String = "", _ style: TerminalStyle? = nil) {
        if !text.isEmpty { add(text, style) }
    }

    mutating func add(_ text: String, _ style: TerminalStyle? = nil) {
        parts.append((TerminalText.escaped(text), style))
    }

    mutating func add(_ line: StyledLine) {
        parts += line.parts
    }

    var columns: Int { parts.reduce(0) { $0 + DisplayWidth.columns(of: $1.text) } }

    /// - Parameter columnsMax: The width at which the line is truncated; nil for none.
    func text(columnsMax: Int?, hasColors: Bool) -> String {
        var left = columnsMax ?? .max
        var text = ""
        for (index, part) in parts.enumerated() where left > 0 {
            // The ellipsis of a part also stands for those after it.
            let isLast = index == parts.count - 1
            let rest = isLast ? 0 : 1
            let columns = DisplayWidth.columns(of: part.text)
            let fitting =
                columns + rest <= left ? part.text : DisplayWidth.truncated(part.text + "  ", columnsMax: left)
            left -= DisplayWidth.columns(of: fitting)
            text += part.style?.applied(to: fitting, hasColors) ?? fitting
        }
        return text
    }
}

/// Lines whose cells are aligned in columns.
struct StyledTable {
    struct Cell {
        var text: String
        var style: TerminalStyle?

        /// Numbers are aligned to the right.
        var isNumber = false

        init(_ text: String, _ style: TerminalStyle? = nil, isNumber: Bool = false) {
            self.text = TerminalText.escaped(text)
            self.style = style
            self.isNumber = isNumber
        }

        static func number(_ text: String, _ style: TerminalStyle? = nil) -> Cell {
            Cell(text, style, isNumber: true)
        }
    }

    /// - Parameter rows: Each with the same number of cells.
    static func lines(_ rows: [[Cell]]) -> [StyledLine] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.reduce(0) { max($0, column < $1.count ? DisplayWidth.columns(of: $1[column].text) : 0) }
        }
        return rows.map { row in
            var line = StyledLine()
            for (index, cell) in row.enumerated() where widths[index] > 0 {
                let padding = String(repeating: " ", count: widths[index] - DisplayWidth.columns(of: cell.text))
                let isLast = index == row.count - 1
                if cell.isNumber { line.add(padding) }
                line.add(cell.text, cell.style)
                if !cell.isNumber, !isLast { line.add(padding) }
                if !isLast { line.add("  ") }
            }
            return line
        }
    }
}
