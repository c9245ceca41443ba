import ArgumentParser
import Domain

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancel plans of a sub account.",
        subcommands: [CancelBasePlanCommand.self, CancelAdditionalPlanCommand.self])
}

/// The flags that say why a plan is cancelled.
struct CancellationFlags: ParsableArguments {
    @Option(
        help: """
            Why: 1 no longer working remotely, 2 trouble with the support, 3 the free plan is enough, 4 too expensive, \
            5 the wrong product, 6 not needed now.
            """)
    var reason: Int?

    @Option(help: "A comment for Zoom.")
    var comment: String?

    func validate() throws {
        if let reason, !(1...6).contains(reason) { throw ValidationError("--reason must be from 1 to 6") }
    }

    /// - Parameter type: The code of the plan; nil for the base plan.
    func body(type: String? = nil) -> InputValue {
        ChangeInput.object([
            ("action", .text("cancel")), ("type", type.map(InputValue.text)),
            ("reason", reason.map { .number("\($0)") }), ("comment", comment.map(InputValue.text)),
        ])
    }
}
