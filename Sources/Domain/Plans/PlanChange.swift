extension PlanOrder {
    /// Reads the body of *Subscribe additional plan*: a plan, an audio plan, or a phone plan with its details.
    static func readAdditional(
        _ input: InputValue, by reader: inout InputReader
    ) -> (orders: [PlanOrder], canonical: InputValue) {
        var orders = PlanOrders()
        let phone = PlanKind.Known.phone.rawValue
        let canonical: InputValue
        if input[PlanField.type] == .text(phone) || input[PlanField.details] != nil {
            canonical = readPhone(input, into: &orders, by: &reader)
        } else if isAudio(input) {
            canonical = reader.audioPlan(input, at: "", dates: PlanField.dates, into: &orders)
        } else {
            let place = PlanPlace(
                codes: .additional, member: nil, otherMembers: [PlanField.increasingHosts] + PlanField.dates)
            canonical = reader.plan(input, at: "", place, into: &orders)
        }
        return (orders.orders, canonical)
    }

    private static func isAudio(_ input: InputValue) -> Bool {
        if case .text(let code) = input[PlanField.type], PlanCode(code).family?.additionalKind == .audio { return true }
        return InputReader.audioMembers.contains { input[$0] != nil }
    }

    private static func readPhone(
        _ input: InputValue, into orders: inout PlanOrders, by reader: inout InputReader
    ) -> InputValue {
        let phone = PlanKind.Known.phone
        var given: Set<String> = []
        let canonical = reader.object(input, at: "") { reader, name, value, field in
            given.insert(name)
            switch name {
            case PlanField.type:
                if value != .text(phone.rawValue) {
                    reader.refuse(field, "Must be \(phone.rawValue) if plan_details is given.", given: value)
                }
                return value
            case PlanField.details:
                return reader.planWithParts(value, at: field, of: phone, into: &orders)
            default:
                reader.refuseUnknown(name, at: field, value, known: [PlanField.type, PlanField.details])
                return nil
            }
        }
        for name in [PlanField.type, PlanField.details] where !given.contains(name) {
            reader.refuse(name, "Must be given.")
        }
        return canonical
    }

    /// Reads the body of *Update a base plan* or *Update an additional plan*.
    static func readUpdate(
        _ input: InputValue, of role: PlanKind.Known.Role, by reader: inout InputReader
    ) -> (order: PlanOrder?, canonical: InputValue) {
        let place =
            switch role {
            case .base: PlanPlace(codes: .of(.known(.base)), member: PlanKind.Known.base.rawValue)
            case .additional: PlanPlace(codes: .additional, member: nil, otherMembers: PlanField.dates)
            }
        var orders = PlanOrders()
        let canonical = reader.plan(input, at: "", place, into: &orders)
        return (orders.orders.first, canonical)
    }
}

/// The end of a plan with its paid term (Zoom: Cancel additional plans, Cancel a base plan).
struct PlanCancellation: Sendable, Equatable {
    private static let action = "action"
    private static let reason = "reason"
    private static let comment = "comment"
    /// The only action that Zoom documents.
    private static let cancel = "cancel"
    /// Zoom documents no length. A comment is a sentence or two.
    private static let commentLengthMax = 255

    /// The additional plan; `nil` for the base plan.
    let code: PlanCode?

    /// Reads the body of a cancellation, and adds the action if it is left out.
    static func read(
        _ input: InputValue, of role: PlanKind.Known.Role, by reader: inout InputReader
    ) -> (cancellation: PlanCancellation, canonical: InputValue) {
        var code: PlanCode?
        var given: Set<String> = []
        let known =
            switch role {
            case .base: [action, reason, comment]
            case .additional: [action, PlanField.type, reason, comment]
            }
        let canonical = reader.object(input, at: "") { reader, name, value, field in
            given.insert(name)
            guard known.contains(name) else {
                reader.refuseUnknown(name, at: field, value, known: known)
                return nil
            }
            switch name {
            case action:
                if value != .text(cancel) { reader.refuse(field, "Must be \"\(cancel)\".", given: value) }
                return value
            case PlanField.type:
                code = reader.planCode(value, at: field, .additional)
                return code.map { .text($0.text) }
            case reason:
                return reader.wholeNumber(value, at: field, in: 1...6).map { .number("\($0)") }
            default:
                return reader.line(value, at: field, lengthMax: commentLengthMax).map(InputValue.text)
            }
        }
        if role == .additional, !given.contains(PlanField.type), case .object = input {
            reader.refuse(PlanField.type, "Must be given.")
        }
        guard !given.contains(action), case .object(let members) = canonical else {
            return (.init(code: code), canonical)
        }
        return (.init(code: code), .object([.init(name: action, value: .text(cancel))] + members))
    }
}
