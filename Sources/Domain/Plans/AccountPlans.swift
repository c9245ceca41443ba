/// The plans of one account, as the source reports them (Zoom: Get plan information).
package struct AccountPlans: Sendable, Equatable {
    package struct Plan: Sendable, Equatable {
        /// The member that contains the plan, such as `plan_webinar` or `plan_phone.plan_calling`.
        package let member: String
        package let kind: PlanKind
        package let code: PlanCode
        /// `nil` if the source reports none, as for recording and audio plans.
        package let hosts: Int?
        package let status: Status

        package init(member: String, kind: PlanKind, code: PlanCode, hosts: Int?, status: Status) {
            self.member = member
            self.kind = kind
            self.code = code
            self.hosts = hosts
            self.status = status
        }
    }

    package enum Status: Sendable, Equatable {
        case active
        /// Ends with the term that is paid.
        case cancelled
        case expired
        /// Another text; empty if the source reports no status.
        case unknown(String)

        /// Accepts the spellings of all of Zoom's releases: `active`, `Active`, `cancel`, `cancelled`, `expired`.
        package init(_ text: String) {
            self =
                switch text.lowercased() {
                case "active": .active
                case "cancel", "cancelled", "canceled": .cancelled
                case "expired": .expired
                default: .unknown(text)
                }
        }
    }

    package let plans: [Plan]

    package init(_ plans: [Plan]) {
        self.plans = plans
    }
}

extension AccountPlans {
    /// Reads the plans of the source. Lenient: what is not a plan is ignored.
    ///
    /// A plan is an object with a `type`. A member is a plan, a list of plans, or an object whose members are plans or lists
    /// of plans (`plan_phone`, `plan_zcc`). The recording plan can be a plain code, with its status in a member beside it.
    package init(reading value: InputValue) {
        guard case .object(let members) = value else {
            self.init([])
            return
        }
        var plans: [Plan] = []
        for member in members where member.name.hasPrefix(Self.prefix) {
            let kind = PlanKind(member: member.name)
            if case .text(let code) = member.value {
                guard kind == .known(.recording), !code.isEmpty else { continue }
                plans.append(
                    Plan(
                        member: member.name, kind: kind, code: PlanCode(code), hosts: nil,
                        status: Self.status(value["\(member.name)_status"])))
            } else {
                Self.read(member.value, of: kind, member: member.name, mayNest: true, to: &plans)
            }
        }
        self.init(plans)
    }

    private static let prefix = "plan_"

    private static func read(
        _ value: InputValue, of kind: PlanKind, member: String, mayNest: Bool, to plans: inout [Plan]
    ) {
        switch value {
        case .object(let members):
            if let code = value["type"]?.readText, !code.isEmpty {
                plans.append(
                    Plan(
                        member: member, kind: kind, code: PlanCode(code), hosts: value["hosts"]?.readQuantity,
                        status: status(value["status"])))
            } else if mayNest {
                for nested in members where nested.name.hasPrefix(prefix) {
                    read(nested.value, of: kind, member: "\(member).\(nested.name)", mayNest: false, to: &plans)
                }
            }
        case .list(let values):
            for value in values {
                guard case .object = value else { continue }
                read(value, of: kind, member: member, mayNest: false, to: &plans)
            }
        case .text, .number, .boolean, .null: break
        }
    }

    private static func status(_ value: InputValue?) -> Status { Status(value?.readText ?? "") }
}

extension InputValue {
    fileprivate var readText: String? {
        guard case .text(let text) = self else { return nil }
        return text
    }

    /// The source has sent numbers as texts.
    fileprivate var readQuantity: Int? {
        if case .text(let digits) = self { return Int(digits) }
        return wholeNumber
    }
}
