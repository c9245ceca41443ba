/// The plans of an account, with their members in Zoom's JSON.
struct SandboxPlans: Sendable {
    /// How a plan is written: what was bought, or how much of it is used.
    enum View: Sendable {
        case information
        case usage
    }

    /// A member of the plans. Members are arrays, objects or strings depending on Zoom's release and the kind of plan.
    struct Member: Sendable {
        let name: String
        var value: Value
    }

    indirect enum Value: Sendable {
        case plan(SandboxPlan)
        case list([SandboxPlan])
        /// An object with plans as members, such as `plan_phone`.
        case group([Member])
        /// A string with flat companions in the plan information, an object in the usage.
        case recording(SandboxPlan)
        /// JSON text that no write changes.
        case text(String)

        var plans: [SandboxPlan] {
            switch self {
            case .plan(let plan), .recording(let plan): [plan]
            case .list(let plans): plans
            case .group(let members): members.flatMap(\.value.plans)
            case .text: []
            }
        }

        /// The value with each plan changed or, for `nil`, removed. `nil` if no plan remains of those it had.
        func mapping(_ change: (SandboxPlan) -> SandboxPlan?) -> Value? {
            switch self {
            case .plan(let plan): return change(plan).map(Value.plan)
            case .recording(let plan): return change(plan).map(Value.recording)
            case .list(let plans):
                let changed = plans.compactMap(change)
                return changed.isEmpty ? nil : .list(changed)
            case .group(let members):
                let changed = members.compactMap { member in
                    member.value.mapping(change).map { Member(name: member.name, value: $0) }
                }
                return changed.isEmpty ? nil : .group(changed)
            case .text: return self
            }
        }
    }

    static let base = "plan_base"
    static let bundle = "plan_united"
    static let phone = "plan_phone"

    let account: Int
    let kind: SandboxAccountKind?
    var members: [Member]

    var all: [SandboxPlan] { members.flatMap(\.value.plans) }

    subscript(_ name: String) -> Value? {
        members.first { $0.name == name }?.value
    }

    /// The base plan, also if it is cancelled; `nil` for a free account and for one with a bundle.
    var base: SandboxPlan? { self[Self.base]?.plans.first }

    var bundle: SandboxPlan? { self[Self.bundle]?.plans.first }

    /// Whether there is neither a base plan nor a bundle.
    var isFree: Bool { base == nil && bundle == nil }

    /// The members besides the base plan and the bundle.
    var additional: [Member] { members.filter { $0.name != Self.base && $0.name != Self.bundle } }

    // MARK: Changes

    /// Changes the plans of the named members, or of all. A plan for which `change` returns `nil` is removed.
    mutating func change(in names: Set<String>? = nil, _ change: (SandboxPlan) -> SandboxPlan?) {
        members = members.compactMap { member in
            guard names?.contains(member.name) ?? true else { return member }
            return member.value.mapping(change).map { Member(name: member.name, value: $0) }
        }
    }

    /// Adds a member, or its plans to the member with that name. A new plan replaces an inactive one with its code.
    mutating func add(_ member: Member) {
        Self.add(member, to: &members)
    }

    private static func add(_ member: Member, to members: inout [Member]) {
        guard let index = members.firstIndex(where: { $0.name == member.name }) else {
            members.append(member)
            return
        }
        members[index].value = merged(members[index].value, member.value)
    }

    private static func merged(_ old: Value, _ new: Value) -> Value {
        switch (old, new) {
        case (.group(var members), .group(let added)):
            for member in added { add(member, to: &members) }
            return .group(members)
        case (.list, .plan), (.list, .list), (.plan, .plan), (.plan, .list):
            let codes = Set(new.plans.map(\.code))
            let remaining = old.plans.filter { $0.isActive || !codes.contains($0.code) }
            return remaining.isEmpty ? new : .list(remaining + new.plans)
        case (.group, _), (.recording, _), (.text, _), (.list, _), (.plan, _):
            return new
        }
    }

    /// Removes the plans whose term ended. Without a base plan or a bundle, no other plan remains.
    mutating func removeEnded(on day: SandboxDate) {
        guard all.contains(where: { !$0.isListed(on: day) }) else { return }
        change { $0.isListed(on: day) ? $0 : nil }
        if isFree { members = [] }
    }
}
