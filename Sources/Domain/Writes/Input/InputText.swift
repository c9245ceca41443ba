/// Why a text is not one readable line.
enum LineProblem {
    /// A control character of ASCII or Latin-1 (C0, DEL, C1). Line breaks are among them.
    case controlCharacter
    /// A line or paragraph separator of Unicode.
    case lineBreak
    /// A character that changes the direction of the text around it, so that a reader sees another order.
    case directionOverride

    init?(in text: String) {
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A, 0x0D, 0x85, 0x2028, 0x2029: self = .lineBreak
            case 0x00...0x1F, 0x7F...0x9F: self = .controlCharacter
            // Embeddings, overrides and isolates (Unicode Standard Annex 9, 2.1 to 2.4).
            case 0x202A...0x202E, 0x2066...0x2069: self = .directionOverride
            default: continue
            }
            return
        }
        return nil
    }

    var rule: String {
        switch self {
        case .controlCharacter: "Must not have control characters."
        case .lineBreak: "Must be one line."
        case .directionOverride: "Must not have characters that change the direction of text."
        }
    }
}

extension String {
    /// The text without blanks (Unicode: space separators) at either end.
    var trimmed: String {
        func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .spaceSeparator }
        let scalars = unicodeScalars.drop(while: isBlank)
        guard let end = scalars.lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(scalars[...end])
    }

    /// The longest part of a value that a message repeats, in characters of Unicode.
    private static let excerptLengthMax = 64

    /// At most 64 characters of the text. Control characters and line breaks are replaced by U+FFFD.
    var excerpt: String {
        var excerpt = String.UnicodeScalarView()
        for (count, scalar) in unicodeScalars.enumerated() {
            guard count < Self.excerptLengthMax else { return String(excerpt) + "…" }
            excerpt.append(LineProblem(in: String(scalar)) == nil ? scalar : "\u{FFFD}")
        }
        return String(excerpt)
    }

    /// The name in a list that this name is probably meant to be; `nil` if none is near.
    ///
    /// Case and underscores are ignored. One error is permitted in every four characters: a character too much, too few, wrong
    /// or swapped with the next. Otherwise it is the only name that begins with this one.
    func nearest(of names: [String]) -> String? {
        guard utf8.count <= Self.excerptLengthMax else { return nil }
        let own = Self.simplified(self)
        var best: (name: String, errors: Int)?
        for name in names {
            let errorsMax = best.map { $0.errors - 1 } ?? own.count / 4
            guard let errors = Self.errors(between: own, and: Self.simplified(name), atMost: errorsMax) else {
                continue
            }
            best = (name, errors)
        }
        if let best { return best.name }
        let longer = own.count < 3 ? [] : names.filter { Self.simplified($0).starts(with: own) }
        return longer.count == 1 ? longer[0] : nil
    }

    private static func simplified(_ name: String) -> [UInt8] {
        name.lowercased().utf8.filter { $0 != UInt8(ascii: "_") }
    }

    /// The number of errors that change one text into the other (optimal string alignment); `nil` if there are more than a
    /// limit.
    static func errors(between left: [UInt8], and right: [UInt8], atMost errorsMax: Int) -> Int? {
        guard abs(left.count - right.count) <= errorsMax else { return nil }
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for row in left.indices {
            var current = [row + 1]
            for column in right.indices {
                let isEqual = left[row] == right[column]
                var errors = Swift.min(
                    previous[column] + (isEqual ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    errors = Swift.min(errors, beforePrevious[column - 1] + 1)
                }
                current.append(errors)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[right.count] <= errorsMax ? previous[right.count] : nil
    }
}

extension InputValue {
    /// The value as a message repeats it: at most 64 characters on one line.
    var excerpt: String {
        switch self {
        case .text(let text): "\"\(text.excerpt)\""
        case .number(let digits): digits.excerpt
        case .boolean(let value): value ? "true" : "false"
        case .null: "null"
        case .list(let values): values.isEmpty ? "an empty list" : "a list of \(values.count)"
        case .object: "an object"
        }
    }
}
