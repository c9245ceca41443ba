/// A plan in a request: what is bought or changed.
struct PlanOrder: Sendable, Equatable {
    /// The path of the plan in the body, such as `plan_webinar[0]`; empty for a body that is the plan.
    let path: String
    /// The member that reports the plan, such as `plan_webinar` or `plan_phone.plan_calling`; `nil` if the body does not name
    /// it.
    let member: String?
    /// `nil` if the code is not known, and no member names the kind.
    let kind: PlanKind?
    let code: PlanCode
    /// `nil` for a plan without a number of hosts.
    let hosts: Int?
    /// Whether the body has only the code of the plan.
    var isBareCode = false

    /// The path of a member of the plan.
    func field(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    /// The path of the code. It is the path of the plan if the plan is only a code.
    var codeField: String { isBareCode ? path : field(PlanField.type) }
}

/// Zoom's names of the members of plans.
enum PlanField {
    static let type = "type"
    static let hosts = "hosts"
    static let increasingHosts = "increasing_hosts"
    static let details = "plan_details"
    static let tollFreeCountries = "tollfree_countries"
    static let premiumCountries = "premium_countries"
    static let calloutCountries = "callout_countries"
    static let dialInNumbers = "ddi_numbers"
    static let paidPeriodStart = "paid_period_start_date"
    static let effectiveDate = "service_effective_date"
    static let dates = [paidPeriodStart, effectiveDate]
    static let prefix = "plan_"
}

/// Where a plan is in a request, which decides the codes and members that it can have.
struct PlanPlace: Sendable {
    enum Codes: Sendable {
        /// The codes of one kind.
        case of(PlanKind)
        /// The codes of every additional plan.
        case additional
        /// The codes of the parts of a plan, such as the numbers of a phone plan. Zoom documents none.
        case parts(of: PlanKind.Known)
    }

    let codes: Codes
    /// The member that reports the plan; `nil` if the body does not name it.
    let member: String?
    var needsHosts = true
    /// The members beside `type` and `hosts`.
    var otherMembers: [String] = []
}

/// Collects the plans of a request.
struct PlanOrders: Sendable {
    /// More plans in one request are refused, so that audit lines stay short.
    static let countMax = 100

    private(set) var orders: [PlanOrder] = []
    private var codes: Set<String> = []

    /// Reports a code that is there twice, and more plans than the limit.
    mutating func append(_ order: PlanOrder, to reader: inout InputReader) {
        guard orders.count < Self.countMax else {
            reader.refuse(order.path, "A request has at most \(Self.countMax) plans.")
            return
        }
        guard codes.insert("\(order.member ?? "") \(order.code.text)").inserted else {
            reader.refuse(order.codeField, "Each code must be given only once.", given: .text(order.code.text))
            return
        }
        orders.append(order)
    }
}

// MARK: - Plans

extension InputReader {
    /// Reads a plan of the form `{type, hosts}`.
    mutating func plan(
        _ value: InputValue, at path: String, _ place: PlanPlace, into orders: inout PlanOrders
    ) -> InputValue {
        var code: PlanCode?
        var hosts: Int?
        var given: Set<String> = []
        let known = [PlanField.type, PlanField.hosts] + place.otherMembers
        let canonical = object(value, at: path) { reader, name, value, field in
            given.insert(name)
            switch name {
            case PlanField.type:
                code = reader.planCode(value, at: field, place.codes)
                return code.map { .text($0.text) }
            case PlanField.hosts:
                hosts = reader.hosts(value, at: field, from: 1)
                return hosts.map { .number("\($0)") }
            default:
                guard place.otherMembers.contains(name) else {
                    reader.refuseUnknown(name, at: field, value, known: known)
                    return nil
                }
                return reader.otherMember(name, value, at: field)
            }
        }
        guard case .object = value else { return canonical }
        let required = [PlanField.type] + (place.needsHosts(with: code) ? [PlanField.hosts] : [])
        for name in required where !given.contains(name) {
            refuse(path.isEmpty ? name : "\(path).\(name)", "Must be given.")
        }
        guard let code else { return canonical }
        let order = PlanOrder(
            path: path, member: place.member, kind: place.kind(of: code), code: code, hosts: hosts)
        checkHosts(of: order)
        orders.append(order, to: &self)
        return canonical
    }

    /// Reads a number of hosts. Zoom sells at most 9999.
    fileprivate mutating func hosts(_ value: InputValue, at field: String, from least: Int) -> Int? {
        wholeNumber(value, at: field, in: least...9999)
    }

    /// Base plans have ranges of their own.
    private mutating func checkHosts(of order: PlanOrder) {
        guard rules.isStrict, order.kind == .known(.base), let hosts = order.hosts,
            let range = order.code.family?.baseHosts, !range.contains(hosts)
        else { return }
        refuse(
            order.field(PlanField.hosts),
            "The base plan \(order.code.text) has \(range.lowerBound) to \(range.upperBound) hosts (zoom.strict-plans).",
            given: .number("\(hosts)"))
    }

    /// Reads a member of a plan beside `type` and `hosts`.
    private mutating func otherMember(_ name: String, _ value: InputValue, at field: String) -> InputValue? {
        switch name {
        case PlanField.increasingHosts: hosts(value, at: field, from: 0).map { .number("\($0)") }
        case PlanField.dialInNumbers: hosts(value, at: field, from: 0).map { .number("\($0)") }
        case PlanField.paidPeriodStart, PlanField.effectiveDate: date(value, at: field)
        default: countries(value, at: field)
        }
    }

    /// Reads country ids that are separated by commas.
    private mutating func countries(_ value: InputValue, at field: String) -> InputValue? {
        // All 249 ids fit.
        guard let text = line(value, at: field, lengthMax: 1000) else { return nil }
        let countries = text.split(separator: ",", omittingEmptySubsequences: false).map { String($0).trimmed }
        guard text.isEmpty || countries.allSatisfy(CountryRules.contains) else {
            refuse(
                field, "Must be country ids in capital letters with commas between them, such as US,CA.", given: value)
            return nil
        }
        return .text(text.isEmpty ? "" : countries.joined(separator: ","))
    }

    /// Reads a code; `nil` if it breaks a rule.
    mutating func planCode(_ value: InputValue, at field: String, _ codes: PlanPlace.Codes) -> PlanCode? {
        guard case .text(let text) = value, PlanCode.isWellFormed(text) else {
            refuse(
                field,
                "Must be a plan code: a text of 1 to \(PlanCode.lengthMax) ASCII letters, digits, _, - and dots.",
                given: value)
            return nil
        }
        let code = PlanCode(text)
        let kinds = code.family?.kinds ?? []
        let isKnowable: Bool
        let belongs: Bool
        switch codes {
        case .of(.known(let kind)):
            isKnowable = PlanFamily.kindsWithCodes.contains(kind)
            belongs = kinds.contains(kind)
        case .of(.other):
            (isKnowable, belongs) = (false, true)
        case .additional:
            isKnowable = true
            belongs = code.family?.additionalKind != nil
        case .parts(let kind):
            isKnowable = false
            belongs = kinds.contains(kind)
        }
        if !kinds.isEmpty, !belongs {
            refuse(field, "Must not be a code of \(kinds[0].rawValue).", given: value)
            return nil
        }
        if rules.isStrict, isKnowable, !code.isKnown {
            refuse(
                field, "Unknown plan code. With the setting zoom.strict-plans=false Zoom decides about it.",
                given: value)
            return nil
        }
        return code
    }
}

extension PlanPlace {
    /// Recording and audio plans have no hosts.
    fileprivate func needsHosts(with code: PlanCode?) -> Bool {
        switch code?.family {
        case .recording, .payAsYouGoAudio, .committedAudio: false
        case .trial, .pro, .business, .education, .united, .zoomRooms, .roomConnector, .largeMeeting, .webinar,
            .zoomEvents,
            .phone, .whiteboard, .revenueAccelerator, .workspaceReservation, .scheduler, .meetingsHybrid, .clipsPlus,
            nil:
            needsHosts
        }
    }

    fileprivate func kind(of code: PlanCode) -> PlanKind? {
        switch codes {
        case .of(let kind): kind
        case .additional: code.family?.additionalKind.map(PlanKind.known)
        case .parts(let kind): .known(kind)
        }
    }
}

// MARK: - Plans of other forms

extension InputReader {
    static let audioMembers = [
        PlanField.tollFreeCountries, PlanField.premiumCountries, PlanField.calloutCountries, PlanField.dialInNumbers,
    ]

    /// Reads an audio plan. At least one way to call must have a country.
    mutating func audioPlan(
        _ value: InputValue, at path: String, dates: [String], into orders: inout PlanOrders
    ) -> InputValue {
        let place = PlanPlace(
            codes: .of(.known(.audio)), member: PlanKind.Known.audio.rawValue, needsHosts: false,
            otherMembers: Self.audioMembers + dates)
        let before = violationCount
        let canonical = plan(value, at: path, place, into: &orders)
        let ways = Self.audioMembers.filter { $0 != PlanField.dialInNumbers }
        let hasWay = ways.contains { way in
            if case .text(let countries) = canonical[way] { !countries.isEmpty } else { false }
        }
        if !hasWay, violationCount == before {
            refuse(
                path.isEmpty ? ways[0] : "\(path).\(ways[0])",
                "At least one of \(ways.joined(separator: ", ")) must be given.")
        }
        return canonical
    }

    /// The most plans of one kind.
    private static let plansMax = 20

    /// Reads a list of plans, or one plan if `canBeOne`.
    mutating func plans(
        _ value: InputValue, at path: String, canBeOne: Bool, _ place: PlanPlace, into orders: inout PlanOrders
    ) -> InputValue {
        switch value {
        case .list(let values):
            return list(values, at: path, countMax: Self.plansMax) { reader, value, field in
                reader.plan(value, at: field, place, into: &orders)
            }
        case .object where canBeOne:
            return plan(value, at: path, place, into: &orders)
        case .text, .number, .boolean, .null, .object:
            refuse(path, canBeOne ? "Must be a plan or a list of plans." : "Must be a list of plans.", given: value)
            return .list([])
        }
    }

    /// The parts of a phone plan.
    private static let phoneParts = ["plan_base", "plan_calling", "plan_number", "plan_calling_addons"]

    /// Reads a plan that has parts: `plan_phone` and `plan_zcc`.
    mutating func planWithParts(
        _ value: InputValue, at path: String, of kind: PlanKind.Known, into orders: inout PlanOrders
    ) -> InputValue {
        let canonical = object(value, at: path) { reader, name, value, field in
            let member = "\(kind.rawValue).\(name)"
            let place = PlanPlace(
                codes: .parts(of: kind), member: member, needsHosts: false,
                otherMembers: [PlanField.calloutCountries])
            let plan = PlanPlace(codes: .parts(of: kind), member: member)
            guard kind == .phone else {
                guard name.isPlanMember else {
                    reader.refuseUnknown(name, at: field, value, known: ["plan_package"])
                    return nil
                }
                return reader.plans(value, at: field, canBeOne: true, place, into: &orders)
            }
            guard Self.phoneParts.contains(name) else {
                reader.refuseUnknown(name, at: field, value, known: Self.phoneParts)
                return nil
            }
            guard name == "plan_base" else {
                return reader.plans(value, at: field, canBeOne: false, plan, into: &orders)
            }
            return reader.plan(value, at: field, place, into: &orders)
        }
        if case .object(let members) = value, members.isEmpty {
            refuse(path, "Must have at least one plan.")
        }
        return canonical
    }

    /// Reads a member of a kind that Zoom added later: a plan, a list of plans, or a code.
    mutating func unknownPlan(
        _ value: InputValue, at path: String, of kind: PlanKind, into orders: inout PlanOrders
    ) -> InputValue? {
        let place = PlanPlace(
            codes: .of(kind), member: kind.member, needsHosts: false, otherMembers: [PlanField.increasingHosts])
        guard case .text = value else { return plans(value, at: path, canBeOne: true, place, into: &orders) }
        guard let code = planCode(value, at: path, place.codes) else { return nil }
        orders.append(
            PlanOrder(path: path, member: kind.member, kind: kind, code: code, hosts: nil, isBareCode: true), to: &self)
        return .text(code.text)
    }
}

extension String {
    /// Whether this can be the name of a member that contains plans: `plan_`, then lower case letters, digits and underscores.
    var isPlanMember: Bool {
        guard hasPrefix(PlanField.prefix), utf8.count > PlanField.prefix.utf8.count, utf8.count <= PlanCode.lengthMax
        else {
            return false
        }
        return utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
            default: false
            }
        }
    }
}
