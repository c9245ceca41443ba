import Adapters

/// What `top` knows of a service: its last status, and since when there has been no newer one.
struct TopReport: Sendable {
    private let url: String
    private var status: JSONObject?
    private var problem: (text: String, since: Int)?

    init(url: String) {
        self.url = url
    }

    mutating func received(_ status: JSONObject) {
        self.status = status
        problem = nil
    }

    /// - Parameters:
    ///   - reason: Why there is no answer.
    ///   - time: In seconds since 1970.
    mutating func failed(_ reason: String, at time: Int) {
        problem = (reason, problem?.since ?? time)
    }

    var isAway: Bool { problem != nil }

    /// Everything, for a pipe or a file.
    func text(hasColors: Bool) -> String {
        guard let status else { return notice.map { $0.text(columnsMax: nil, hasColors: hasColors) + "\n" } ?? "" }
        let view = TopView(status, hasCharts: false)
        var lines = (notice.map { [$0] } ?? []) + view.head(url: url)
        for section in view.sections {
            lines += [StyledLine(), StyledLine(section.title, .bold)]
            lines += section.lines.map { line in
                var indented = StyledLine("  ")
                indented.add(line)
                return indented
            }
        }
        return lines.map { $0.text(columnsMax: nil, hasColors: hasColors) + "\n" }.joined()
    }

    /// The lines of a terminal. Sections are left out from the end if there are too few rows.
    func lines(columns: Int, rows: Int, hasColors: Bool) -> [String] {
        var lines = notice.map { [$0] } ?? []
        var hidden = 0
        if let status {
            let view = TopView(status, hasCharts: true)
            lines += view.head(url: url)
            for section in view.sections {
                // One row is for the footer, and two for the blank line and the title.
                let left = rows - 1 - lines.count - 2
                guard hidden == 0, left >= (section.isList ? 1 : section.lines.count) else {
                    hidden += 1
                    continue
                }
                lines += [StyledLine(), StyledLine(section.title, .bold)] + section.lines.prefix(left)
            }
        } else if notice == nil {
            lines.append(StyledLine("Waiting for \(url)"))
        }
        var footer = StyledLine("q ends", .dim)
        if hidden > 0 { footer.add("  sections without room: \(hidden)", .dim) }
        if lines.count < rows {
            lines += Array(repeating: StyledLine(), count: rows - 1 - lines.count) + [footer]
        }
        return lines.prefix(rows).map { $0.text(columnsMax: columns, hasColors: hasColors) }
    }

    /// Says that the numbers are old.
    private var notice: StyledLine? {
        problem.map { problem in
            StyledLine(
                "NO ANSWER since \(LocalTime.text(of: problem.since, hasSeconds: true))"
                    + (status == nil ? ": " : ", the numbers are from before: ") + problem.text, .boldRed)
        }
    }
}
