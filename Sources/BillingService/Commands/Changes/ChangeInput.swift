import Adapters
import ArgumentParser
import Domain
import NIOCore
import NIOPosix

/// The body of a change from a file or from flags.
enum ChangeInput {
    /// The service refuses larger bodies.
    private static let bytesMax = 65_536

    /// Reads a JSON object.
    ///
    /// - Parameter path: For `InputFile`.
    /// - Throws: `FileProblem`, also if it is no JSON object.
    static func read(_ path: String) async throws -> InputValue {
        let bytes = try await NIOThreadPool.singleton.runIfActive {
            try InputFile.read(path, bytesMax: bytesMax)
        }
        let name = ServiceFlags.isStandardInput(path) ? "standard input" : path
        let value: JSONValue
        do throws(JSONSyntaxError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw FileProblem(path: name, reason: "is no JSON: \(error)")
        }
        guard value.object != nil else { throw FileProblem(path: name, reason: "is no JSON object") }
        return InputValue(value)
    }

    /// An object with the members that have a value.
    static func object(_ members: [(name: String, value: InputValue?)]) -> InputValue {
        .object(members.compactMap { member in member.value.map { .init(name: member.name, value: $0) } })
    }
}

/// A plan and its number of hosts as an argument: `TYPE:HOSTS`, or `TYPE` for a plan without hosts.
struct PlanArgument: Sendable, ExpressibleByArgument {
    let type: String
    let hosts: Int?

    init?(argument: String) {
        let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let type = parts.first, !type.isEmpty else { return nil }
        self.type = String(type)
        if parts.count == 2 {
            guard let hosts = Int(parts[1]) else { return nil }
            self.hosts = hosts
        } else {
            hosts = nil
        }
    }

    var value: InputValue { Self.value(type: type, hosts: hosts) }

    static func value(type: String, hosts: Int?) -> InputValue {
        ChangeInput.object([("type", .text(type)), ("hosts", hosts.map { .number("\($0)") })])
    }
}

/// An additional plan as an argument: `MEMBER=TYPE:HOSTS`. The member is Zoom's name of the kind, such as `plan_webinar`.
struct NamedPlanArgument: Sendable, ExpressibleByArgument {
    let member: String
    let plan: PlanArgument

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, let plan = PlanArgument(argument: String(parts[1])) else {
            return nil
        }
        member = String(parts[0])
        self.plan = plan
    }

    /// The members of a subscription, in the order of the arguments.
    static func members(_ arguments: [NamedPlanArgument]) -> [(name: String, value: InputValue?)] {
        var names: [String] = []
        for argument in arguments where !names.contains(argument.member) { names.append(argument.member) }
        return names.map { name in
            (name, value(of: arguments.filter { $0.member == name }.map(\.plan), PlanKind(member: name)))
        }
    }

    /// The plans of one kind, in the form that Zoom documents for it.
    private static func value(of plans: [PlanArgument], _ kind: PlanKind) -> InputValue {
        if plans.count == 1, case .known(let known) = kind {
            switch known.form {
            case .plans: break
            case .code where plans[0].hosts == nil: return .text(plans[0].type)
            case .plan, .planOrPlans, .code, .audio, .phone, .contactCenter, .refused: return plans[0].value
            }
        } else if plans.count == 1 {
            return plans[0].value
        }
        return .list(plans.map(\.value))
    }
}
