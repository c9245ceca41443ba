import ArgumentParser

/// Arguments that consist of other arguments, without an `@OptionGroup`.
///
/// In a debug build the argument parser checks the groups of a group several times. So each level multiplies the time to start
/// by four, and a command took ten seconds. The parts have no level of their own: the mirror lists the properties of all parts.
/// So the names of these properties must differ.
protocol ArgumentsInParts: GivenSettings, ParsableArguments, CustomReflectable {
    static var parts: [ArgumentsPart<Self>] { get }

    /// Checks what concerns several parts. Every part has checked itself before.
    func validateParts() throws
}

extension ArgumentsInParts {
    init(from decoder: any Decoder) throws {
        self.init()
        // The argument parser checks the keys of the first container: those of each part would miss the others.
        _ = try decoder.container(keyedBy: FlagKey.self)
        for part in Self.parts { try part.decode(&self, decoder) }
    }

    var customMirror: Mirror {
        Mirror(self, children: Self.parts.flatMap { Mirror(reflecting: $0.value(self)).children })
    }

    var given: [String: String] {
        Self.parts.reduce(into: [:]) { all, part in
            guard let part = part.value(self) as? any GivenSettings else { return }
            all.merge(part.given) { first, _ in first }
        }
    }

    mutating func validate() throws {
        for part in Self.parts { try part.validate(&self) }
        try validateParts()
    }

    func validateParts() throws {}
}

/// One property of arguments that consist of parts.
struct ArgumentsPart<Whole>: Sendable {
    let value: @Sendable (Whole) -> any ParsableArguments
    let decode: @Sendable (inout Whole, any Decoder) throws -> Void
    let validate: @Sendable (inout Whole) throws -> Void

    init<Part: ParsableArguments>(_ path: any WritableKeyPath<Whole, Part> & Sendable) {
        value = { $0[keyPath: path] }
        decode = { $0[keyPath: path] = try Part(from: $1) }
        validate = { try $0[keyPath: path].validate() }
    }
}
