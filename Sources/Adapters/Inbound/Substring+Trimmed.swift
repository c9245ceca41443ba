extension Substring {
    /// Without the blanks that lists in fields may have around their members (RFC 9110, 5.6.1).
    var trimmed: Substring {
        var text = self
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
