/// Zoom's code of a plan, such as `webinar500_monthly`.
package struct PlanCode: Sendable, Hashable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }
}
