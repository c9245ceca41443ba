/// A text table. Each column is as wide as its widest cell, measured in the columns of a terminal.
///
/// The rows of a long table are printed in parts: a column may become wider in a later part, never narrower.
struct Table {
    struct Column {
        enum Content {
            /// Truncated first if the table is too wide for the terminal.
            case text
            /// Truncated after the texts: users copy it.
            case identifier
            /// Never truncated, and aligned to the right.
            case number
        }

        let title: String
        var content = Content.text
    }

    private let columns: [Column]
    private var rows: [[String]]

    /// The widths of the cells printed so far.
    private var widths: [Int]

    private static let gap = "  "

    /// The width to which a column may be truncated, unless its title is wider.
    private static let truncatedWidthMin = 10

    /// Marks lines whose last columns are left out.
    private static let ellipsis = "…"

    init(_ columns: [Column], hasTitles: Bool = true) {
        self.columns = columns
        rows = hasTitles ? [columns.map(\.title)] : []
        widths = columns.map { _ in 0 }
    }

    init(_ titles: [String]) {
        self.init(titles.map { Column(title: $0) })
    }

    /// - Parameter row: A cell for each column. Control characters are escaped.
    mutating func add(_ row: [String]) {
        rows.append(row.map(TerminalText.escaped))
    }

    var text: String {
        var table = self
        return table.takeText(columnsMax: nil)
    }

    /// The rows that were added since the last call, which are then removed.
    ///
    /// - Parameter columnsMax: The width of the terminal; nil disables truncation.
    mutating func takeText(columnsMax: Int?) -> String {
        for (index, _) in columns.enumerated() {
            widths[index] = rows.reduce(widths[index]) { max($0, DisplayWidth.columns(of: $1[index])) }
        }
        // Leave the last column empty: some terminals wrap after a character in it.
        let limit = columnsMax.map { max(1, $0 - 1) }
        let fitting = limit.map(widths(fitting:)) ?? widths
        let text = rows.map { line($0, fitting) + "\n" }.joined()
        rows = []
        return text
    }

    /// - Parameter widths: Of the columns to print; the others are left out.
    private func line(_ row: [String], _ widths: [Int]) -> String {
        var cells = widths.indices.map { index in
            let cell = DisplayWidth.truncated(row[index], columnsMax: widths[index])
            let padding = String(repeating: " ", count: widths[index] - DisplayWidth.columns(of: cell))
            return columns[index].content == .number ? padding + cell : cell + padding
        }
        if widths.count < columns.count { cells.append(Self.ellipsis) }
        return cells.joined(separator: Self.gap).withoutTrailingSpaces
    }

    /// Widths of at most `limit` columns in total: the widest texts are truncated first, then the widest identifiers. If
    /// that is not enough, the last columns are left out.
    private func widths(fitting limit: Int) -> [Int] {
        var fitting = widths
        for content in [Column.Content.text, .identifier] {
            let indices = columns.indices.filter { columns[$0].content == content }
            while Self.lineWidth(fitting) > limit {
                let shrinkable = indices.filter {
                    fitting[$0] > max(Self.truncatedWidthMin, DisplayWidth.columns(of: columns[$0].title))
                }
                guard let widest = shrinkable.max(by: { fitting[$0] < fitting[$1] }) else { break }
                fitting[widest] -= 1
            }
        }
        guard Self.lineWidth(fitting) > limit else { return fitting }
        while !fitting.isEmpty, Self.lineWidth(fitting + [Self.ellipsis.count]) > limit {
            let left = limit - Self.gap.count - Self.ellipsis.count
            if fitting.count == 1, left > 0 {
                fitting[0] = left
            } else {
                fitting.removeLast()
            }
        }
        return fitting
    }

    private static func lineWidth(_ widths: [Int]) -> Int {
        widths.reduce(gap.count * (widths.count - 1), +)
    }
}

extension String {
    fileprivate var withoutTrailingSpaces: String {
        String(self[..<(lastIndex { $0 != " " }.map(index(after:)) ?? startIndex)])
    }
}
