/// An amount of money in hundredths of the currency. It is never a binary floating-point number.
struct SandboxAmount: Sendable, Hashable, AdditiveArithmetic {
    let hundredths: Int

    static let zero = SandboxAmount(hundredths: 0)

    static func + (left: Self, right: Self) -> Self { Self(hundredths: left.hundredths + right.hundredths) }
    static func - (left: Self, right: Self) -> Self { Self(hundredths: left.hundredths - right.hundredths) }

    /// The tax at a rate in hundred thousandths of the amount, rounded half away from zero.
    func tax(atRate rate: Int) -> SandboxAmount {
        let scaled = hundredths * rate
        return Self(hundredths: (scaled + (scaled < 0 ? -50_000 : 50_000)) / 100_000)
    }

    /// The JSON number. Whole amounts have no decimals, as Zoom writes them.
    var text: String {
        let (whole, rest) = hundredths.magnitude.quotientAndRemainder(dividingBy: 100)
        let sign = hundredths < 0 ? "-" : ""
        return rest == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(SandboxAccounts.padded(Int(rest), to: 2))"
    }
}
