/// Zoom's country ids: the codes of ISO 3166-1 alpha-2 in capital letters (Zoom: Abbreviation lists).
enum CountryRules {
    private static let codes = Set(
        """
        AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
        BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH
        ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT
        HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
        LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI
        NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
        SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
        UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
        """.split { $0 == " " || $0 == "\n" }.map(String.init))

    static func contains(_ code: String) -> Bool { codes.contains(code) }

    /// The rule that a text breaks; `nil` for a country.
    static func problem(of text: String) -> String? {
        if codes.contains(text) { return nil }
        let rule = "Must be a country of ISO 3166-1 in two capital letters."
        let likely = text.uppercased() == "UK" ? "GB" : text.uppercased()
        return codes.contains(likely) ? "\(rule) Did you mean \"\(likely)\"?" : rule
    }
}

/// Zoom's state ids. Only the United States and Canada have them (Zoom: Abbreviation lists).
enum StateRules {
    /// The states, the District of Columbia, the territories and freely associated states, and the military post offices of
    /// the United States (USPS Publication 28, appendix B).
    private static let unitedStates = Set(
        """
        AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH
        OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY
        DC AS GU MP PR VI UM FM MH PW AA AE AP
        """.split { $0 == " " || $0 == "\n" }.map(String.init))

    /// The provinces and territories of Canada.
    private static let canada = Set(
        "AB BC MB NB NL NS NT NU ON PE QC SK YT".split(separator: " ").map(String.init))

    /// The rule that a text breaks in a country; `nil` for a state, and in countries without ids of states.
    static func problem(of text: String, in country: String) -> String? {
        let (states, example): (Set<String>, String)
        switch country {
        case "US": (states, example) = (unitedStates, "state of the United States in two capital letters, such as CA")
        case "CA": (states, example) = (canada, "province of Canada in two capital letters, such as ON")
        default: return nil
        }
        return states.contains(text) ? nil : "Must be a \(example)."
    }
}
