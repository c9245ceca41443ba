/// The plans that a free account gets, and its contact (Zoom: Subscribe plans).
struct Subscription: Sendable, Equatable {
    static let contactName = "contact"
    static let optionsName = "subscription_options"

    /// `nil` if the request has none.
    var contact: ContactChange?
    var orders: [PlanOrder]

    static func read(
        _ input: InputValue, by reader: inout InputReader
    ) -> (subscription: Subscription, canonical: InputValue) {
        var contact: ContactChange?
        var orders = PlanOrders()
        var given: Set<String> = []
        let canonical = reader.object(input, at: "") { reader, name, value, field in
            given.insert(name)
            switch name {
            case contactName:
                let (change, canonical) = ContactChange.read(value, at: field, .whole, by: &reader)
                contact = change
                return canonical
            case optionsName:
                return reader.object(value, at: field) { reader, name, value, field in
                    guard PlanField.dates.contains(name) else {
                        reader.refuseUnknown(name, at: field, value, known: PlanField.dates)
                        return nil
                    }
                    return reader.date(value, at: field)
                }
            default:
                return reader.subscribedPlan(name, value, at: field, into: &orders)
            }
        }
        if case .object = input { checkBase(given, orders.orders, by: &reader) }
        return (Subscription(contact: contact, orders: orders.orders), canonical)
    }

    /// An account has one base plan. A bundle is one.
    private static func checkBase(_ given: Set<String>, _ orders: [PlanOrder], by reader: inout InputReader) {
        let base = PlanKind.Known.base.rawValue
        let united = PlanKind.Known.united.rawValue
        switch (given.contains(base), given.contains(united)) {
        case (false, false): reader.refuse(base, "Must be given.")
        case (true, true): reader.refuse(united, "Must not be given together with plan_base.")
        case (true, false), (false, true): break
        }
        let hasRoomsBase = orders.contains { $0.kind == .known(.base) && $0.code.family == .zoomRooms }
        if hasRoomsBase, let rooms = orders.first(where: { $0.kind == .known(.zoomRooms) }) {
            reader.refuse(rooms.path, "Must not be given if the base plan is one for Zoom Rooms.")
        }
    }
}

extension InputReader {
    /// Reads a member of a subscription that contains plans; `nil` if it must not be sent.
    fileprivate mutating func subscribedPlan(
        _ name: String, _ value: InputValue, at path: String, into orders: inout PlanOrders
    ) -> InputValue? {
        let kind = PlanKind(member: name)
        guard case .known(let known) = kind else {
            guard !refuseUnknownPlan(name, value, at: path) else { return nil }
            return unknownPlan(value, at: path, of: kind, into: &orders)
        }
        let place = PlanPlace(codes: .of(kind), member: name, otherMembers: [PlanField.increasingHosts])
        switch known.form {
        case .plan: return plan(value, at: path, place, into: &orders)
        case .plans: return plans(value, at: path, canBeOne: false, place, into: &orders)
        case .planOrPlans: return plans(value, at: path, canBeOne: true, place, into: &orders)
        case .code:
            guard let code = planCode(value, at: path, place.codes) else { return nil }
            orders.append(
                PlanOrder(path: path, member: name, kind: kind, code: code, hosts: nil, isBareCode: true), to: &self)
            return .text(code.text)
        case .audio: return audioPlan(value, at: path, dates: [], into: &orders)
        case .phone, .contactCenter: return planWithParts(value, at: path, of: known, into: &orders)
        case .refused(let reason):
            refuse(path, reason, given: value)
            return nil
        }
    }

    /// Reports a member that cannot be a plan, or that is probably a known kind with a typing error.
    ///
    /// - Returns: Whether it is reported.
    private mutating func refuseUnknownPlan(_ name: String, _ value: InputValue, at path: String) -> Bool {
        let kinds = PlanKind.Known.allCases
        let known = [Subscription.contactName, Subscription.optionsName] + kinds.map(\.rawValue)
        guard name.isPlanMember else {
            refuseUnknown(name, at: path, value, known: known)
            return true
        }
        let companions = ["status"] + PlanField.dates + ["next_invoice_date"]
        if companions.contains(where: { suffix in kinds.contains { name == "\($0.rawValue)_\(suffix)" } }) {
            refuse(path, "Zoom reports this field. It cannot be given.", given: value)
            return true
        }
        guard rules.isStrict, let likely = name.likelyPlan(of: kinds) else { return false }
        refuse(
            path,
            "Unknown kind of plan. Did you mean \"\(likely)\"? With the setting zoom.strict-plans=false it is sent.",
            given: value)
        return true
    }
}

extension String {
    /// The known kind that the name of a member is probably meant to be; `nil` if none is near. One error is permitted in
    /// every six characters, since Zoom's own short names differ in two.
    fileprivate func likelyPlan(of kinds: [PlanKind.Known]) -> String? {
        let own = Array(utf8.dropFirst(PlanField.prefix.utf8.count))
        return kinds.map(\.rawValue).first { kind in
            let name = Array(kind.utf8.dropFirst(PlanField.prefix.utf8.count))
            return Self.errors(between: own, and: name, atMost: own.count / 6) != nil
        }
    }
}
