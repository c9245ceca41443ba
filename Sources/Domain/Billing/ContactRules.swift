extension BillingContact.Field {
    /// The longest text of the field in characters of Unicode. Zoom documents no lengths, so these are generous: they only
    /// prevent texts that are no address.
    var lengthMax: Int {
        switch self {
        // The usual length of a text column. No postal format has longer lines.
        case .address, .apartment, .city, .firstName, .lastName, .state: 255
        // ISO 3166-1 alpha-2.
        case .country: 2
        // RFC 5321, section 4.5.3.1: a path has at most 256 octets, of which two are the brackets.
        case .email: EmailRules.lengthMax
        // An international number has 15 digits (E.164). The rest is for separators and an extension.
        case .phoneNumber: 64
        // The longest postal codes have 10 characters.
        case .zip: 20
        }
    }

    /// Whether a text can be empty.
    ///
    /// Countries without states or postal codes exist. Zoom decides whether it accepts an empty text there.
    var canBeEmpty: Bool {
        switch self {
        case .apartment, .state, .zip: true
        case .address, .city, .country, .email, .firstName, .lastName, .phoneNumber: false
        }
    }
}

extension InputReader {
    /// Reads the text of a field of a contact; `nil` if it breaks a rule.
    mutating func contactText(_ value: InputValue, at path: String, in field: BillingContact.Field) -> String? {
        // A country that is too long has a better message than its length.
        let lengthMax = field == .country ? BillingContact.Field.city.lengthMax : field.lengthMax
        guard let text = line(value, at: path, lengthMax: lengthMax) else { return nil }
        guard !text.isEmpty || field.canBeEmpty else {
            refuse(path, "Must not be empty.", given: value)
            return nil
        }
        let problem: String? =
            switch field {
            case .country: CountryRules.problem(of: text)
            case .email: EmailRules.problem(of: text)
            case .address, .apartment, .city, .firstName, .lastName, .phoneNumber, .state, .zip: nil
            }
        if let problem {
            refuse(path, problem, given: value)
            return nil
        }
        return text
    }
}

/// The form of an e-mail address: pragmatic, so that mistyped addresses are found. Only a message proves that one exists.
enum EmailRules {
    static let lengthMax = 254
    /// RFC 5321, section 4.5.3.1.1.
    static let localPartLengthMax = 64
    /// RFC 1035, section 2.3.4.
    private static let labelLengthMax = 63

    /// The rule that a text breaks; `nil` for an address.
    static func problem(of text: String) -> String? {
        guard let at = text.lastIndex(of: "@") else { return "Must be an e-mail address, with an @." }
        guard text.utf8.count <= lengthMax else { return "Must have at most \(lengthMax) bytes." }
        let localPart = text[..<at]
        guard localPart.utf8.count <= localPartLengthMax else {
            return "Must have at most \(localPartLengthMax) bytes before the @."
        }
        // RFC 5322, section 3.2.3: a dot-atom. Quoted local parts are permitted there and used nowhere.
        let atoms = localPart.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard atoms.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isAtomCharacter) }) else {
            return "Must have ASCII letters, digits and single dots before the @."
        }
        let labels = text[text.index(after: at)...].split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count >= 2, labels.allSatisfy(isLabel), !labels[labels.count - 1].allSatisfy(\.isNumber) else {
            return "Must have a domain after the @, such as example.com."
        }
        return nil
    }

    private static func isAtomCharacter(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || "!#$%&'*+-/=?^_`{|}~".utf8.contains(byte)
    }

    /// Letters of every script: the domain can be an internationalized one (RFC 5890).
    private static func isLabel(_ label: Substring) -> Bool {
        guard (1...labelLengthMax).contains(label.utf8.count), label.first != "-", label.last != "-" else {
            return false
        }
        return label.unicodeScalars.allSatisfy { scalar in
            if scalar.isASCII { return scalar == "-" || UInt8(ascii: scalar).isASCIILetterOrDigit }
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
                .spacingMark, .decimalNumber:
                return true
            default: return false
            }
        }
    }
}
