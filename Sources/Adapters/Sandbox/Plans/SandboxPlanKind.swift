/// What the plans of an account look like. The kinds take turns by the number of the account.
///
/// The raw values are those of `GET /sandbox/accounts`; see `docs/sandbox.md`.
package enum SandboxPlanKind: String, Sendable, CaseIterable {
    /// A base plan only.
    case base = "plans-base"
    /// Arrays of webinar, large meeting and event plans.
    case arrays = "plans-arrays"
    /// Rooms and room connectors as objects.
    case rooms = "plans-rooms"
    /// Rooms and room connectors as arrays, as in later releases of Zoom.
    case roomArrays = "plans-room-arrays"
    case phone = "plans-phone"
    case contactCenter = "plans-contact-center"
    /// Cloud recording as a code with flat companions, and audio conferencing.
    case recording = "plans-recording"
    /// Members that Zoom's documentation does not have.
    case unknown = "plans-unknown"
    /// A bundle instead of a base plan.
    case bundle = "plans-bundle"

    static func of(_ account: Int) -> Self { allCases[account % allCases.count] }

    /// A base plan, its name on invoices, and its monthly price for each host in hundredths.
    struct Base: Sendable {
        let code: String
        let charge: String
        let hosts: ClosedRange<Int>
        let price: Int
    }

    private static let bases = [
        Base(code: "business_monthly", charge: "Business, monthly", hosts: 10...49, price: 1999),
        Base(code: "monthly", charge: "Pro, monthly", hosts: 1...9, price: 1499),
        Base(code: "business_yearly", charge: "Business, yearly", hosts: 10...49, price: 1666),
        Base(code: "edu20", charge: "Education", hosts: 20...149, price: 750),
        Base(code: "plan_pro_three_years", charge: "Pro, three years", hosts: 1...9, price: 1120),
    ]

    static func base(of account: Int) -> Base { bases[account / allCases.count % bases.count] }

    static func hosts(of account: Int) -> Int {
        let range = base(of: account).hosts
        return range.lowerBound + account % range.count
    }
}
