extension StringProtocol {
    /// The text without leading and trailing spaces and tabs (RFC 9110, 5.6.3).
    var trimmed: SubSequence {
        let start = drop { $0 == " " || $0 == "\t" }
        let end = start.lastIndex { $0 != " " && $0 != "\t" }
        return end.map { start[...$0] } ?? start
    }
}
