/// The plans that can be bought: their codes, members, prices and numbers of hosts.
enum SandboxCatalog {
    static let hostsMax = 9999

    /// The terms at the end of a code, such as `webinar500_monthly`.
    private static let terms = ["monthly", "quarterly", "yearly", "two_years", "three_years"]

    /// A code without and with its term, which is `nil` for older codes such as `webinar1000`.
    private static func parts(of code: String) -> (stem: Substring, term: String?) {
        for term in terms where code.hasSuffix("_" + term) { return (code.dropLast(term.utf8.count + 1), term) }
        return (code[...], nil)
    }

    /// Whether two plans have different terms, so that one cannot replace the other.
    static func haveDifferentTerms(_ code: String, _ other: String) -> Bool {
        guard let term = parts(of: code).term, let otherTerm = parts(of: other).term else { return false }
        return term != otherTerm
    }

    // MARK: Base plans

    struct Base: Sendable {
        enum Family: Sendable {
            case pro
            case business
            case education
            case trial
            case rooms
        }

        let family: Family
        let hosts: ClosedRange<Int>

        /// For each host and month, in hundredths.
        let price: Int
    }

    /// `nil` if the code is not the code of a base plan.
    static func base(_ code: String) -> Base? {
        switch code {
        case "monthly": Base(family: .pro, hosts: 1...9, price: 1499)
        case "yearly", "plan_pro_two_years", "plan_pro_three_years": Base(family: .pro, hosts: 1...9, price: 1120)
        case "business_monthly": Base(family: .business, hosts: 10...49, price: 1999)
        case "business_yearly", "plan_business_two_years", "plan_business_three_years":
            Base(family: .business, hosts: 10...49, price: 1666)
        case "edu20": Base(family: .education, hosts: 20...149, price: 750)
        case "trial": Base(family: .trial, hosts: 1...hostsMax, price: 0)
        case "zroom_monthly", "zroom_yearly": Base(family: .rooms, hosts: 1...hostsMax, price: 4999)
        default: nil
        }
    }

    static let bundle = "pro_zpp_monthly"

    // MARK: Additional plans

    struct Additional: Sendable {
        enum Shape: Sendable {
            case object
            case room
            case list
            case recording
            case audio
            /// A member of this name in `plan_phone`.
            case phone(String)
        }

        /// The member of the plans, such as `plan_webinar`.
        let member: String
        let shape: Shape

        /// For each host and month, in hundredths.
        let price: Int

        /// Whether it can be bought. Zoom no longer sells some codes.
        let isSold: Bool
    }

    private struct Family {
        let member: String
        let stems: Set<String>
        let shape: Additional.Shape
        let price: Int
    }

    private static let families = [
        Family(member: "plan_zoom_rooms", stems: ["zroom"], shape: .room, price: 4999),
        Family(member: "plan_room_connector", stems: ["roomconnector"], shape: .room, price: 4900),
        Family(
            member: "plan_large_meeting",
            stems: ["large100", "large200", "large300", "large500", "large1000"], shape: .list, price: 5000),
        Family(
            member: "plan_webinar",
            stems: ["webinar100", "webinar500", "webinar1000", "webinar3000", "webinar5000", "webinar10000"],
            shape: .list, price: 7900),
        Family(
            member: "plan_zoom_events", stems: ["zoomevents500", "zoomevents1000"], shape: .list, price: 9900),
        Family(member: "plan_whiteboard", stems: ["zwb"], shape: .room, price: 299),
        Family(member: "plan_zwr", stems: ["zwr"], shape: .room, price: 200),
        Family(member: "plan_zoom_iq", stems: ["ziq_sales"], shape: .object, price: 7900),
        Family(member: "plan_zsched", stems: ["zsched"], shape: .object, price: 599),
        Family(member: "plan_zmhybrid", stems: ["zm_hybrid"], shape: .object, price: 1000),
        Family(member: "plan_zoom_clips_plus", stems: ["zm_clips_plus"], shape: .object, price: 1200),
    ]

    private static let recordings = [
        "cmr_monthly_commitment_40": 4000, "cmr_monthly_commitment_100": 10_000, "cmr_monthly_commitment_500": 50_000,
    ]

    static let audioPayAsYouGo = "tollfree_payongo"

    private static let audio = [
        audioPayAsYouGo: 0, "tollfree_monthly_commitment_100": 10_000, "tollfree_monthly_commitment_500": 50_000,
    ]

    /// Whether a member of the plans has only codes of the catalog. Other members have codes of their own.
    static func isKnown(member: String) -> Bool {
        families.contains { $0.member == member } || ["plan_recording", "plan_audio"].contains(member)
    }

    /// `nil` if the code is not the code of an additional plan.
    static func additional(_ code: String) -> Additional? {
        if let price = recordings[code] {
            return Additional(member: "plan_recording", shape: .recording, price: price, isSold: true)
        }
        if let price = audio[code] {
            return Additional(member: "plan_audio", shape: .audio, price: price, isSold: true)
        }
        if code.hasPrefix("zobp_") || code.hasPrefix("zp_") {
            let member = code.hasPrefix("zp_number") ? "plan_number" : "plan_calling"
            return Additional(member: SandboxPlans.phone, shape: .phone(member), price: 1500, isSold: true)
        }
        let (stem, term) = parts(of: code.hasPrefix("plan_") ? String(code.dropFirst("plan_".count)) : code)
        guard let family = families.first(where: { $0.stems.contains(String(stem)) }) else { return nil }
        return Additional(
            member: family.member, shape: family.shape, price: family.price,
            isSold: term != nil && stem != "webinar100")
    }

    /// The monthly price of a plan for each host, in hundredths. Plans outside the catalog have the same price.
    static func price(_ code: String, isBase: Bool) -> Int {
        (isBase ? base(code)?.price : additional(code)?.price) ?? 2000
    }
}
