import Domain

/// Elements that several sections of the operator's page have.
extension HTMLWriter {
    /// A number that programs can read from the attribute `value`.
    mutating func value(_ number: Int) {
        element("data", [("value", "\(number)")], Quantity.count(number))
    }

    /// A table cell with a number.
    mutating func number(_ number: Int) {
        element("td", [("class", "n")]) { $0.value(number) }
    }

    mutating func number(_ number: Double) {
        element("td", [("class", "n")]) { page in
            page.element("data", [("value", "\((number * 1000).rounded() / 1000)")], Quantity.decimal(number))
        }
    }

    /// A bar. It is also described by text, for people who do not see it.
    mutating func meter(_ part: Int, of whole: Int, _ label: String) {
        element("meter", [("min", "0"), ("max", "\(max(whole, 1))"), ("value", "\(part)"), ("aria-label", label)]) {
            $0.text("\(part) of \(whole)")
        }
    }

    /// A table that scrolls in its own region if the screen is narrow.
    ///
    /// - Parameters:
    ///   - caption: Names the table for screen readers.
    ///   - numbers: The indices of the columns with numbers, which are aligned to the right.
    mutating func table(
        _ caption: String, _ columns: [String], numbers: Set<Int> = [], _ rows: (inout HTMLWriter) -> Void
    ) {
        element("div", [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", caption)]) { page in
            page.element("table") { page in
                page.element("caption", caption)
                page.element("thead") { page in
                    page.element("tr") { page in
                        for (index, column) in columns.enumerated() {
                            page.element(
                                "th", [("scope", "col")] + (numbers.contains(index) ? [("class", "n")] : []), column)
                        }
                    }
                }
                page.element("tbody", [], rows)
            }
        }
    }

    /// A list of names and values.
    mutating func facts(_ facts: (inout HTMLWriter) -> Void) { element("dl", [], facts) }

    mutating func fact(_ name: String, _ value: String) { fact(name) { $0.text(value) } }

    mutating func fact(_ name: String, _ value: (inout HTMLWriter) -> Void) {
        element("div") { page in
            page.element("dt", name)
            page.element("dd", [], value)
        }
    }

    mutating func age(since time: Timestamp, at now: Timestamp) {
        age(.seconds(now.secondsSinceEpoch - time.secondsSinceEpoch), time)
    }

    mutating func age(until time: Timestamp, at now: Timestamp) {
        age(.seconds(time.secondsSinceEpoch - now.secondsSinceEpoch), time)
    }

    private mutating func age(_ age: Duration, _ time: Timestamp) {
        element("time", [("datetime", time.rfc3339)], Quantity.duration(age))
    }
}
