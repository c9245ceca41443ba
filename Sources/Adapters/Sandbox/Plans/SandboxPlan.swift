import NIOCore

/// A plan of an account.
struct SandboxPlan: Sendable {
    /// How the plan is written.
    enum Form: Sendable {
        case regular
        /// A room or a room connector: its usage has no `pending`.
        case room
        /// The package of the contact center: it has no hosts, dates, status or usage while it is active.
        case package
    }

    enum Term: Sendable, Equatable {
        /// A plan that no write changed, with its status in one of the spellings of Zoom's releases.
        case generated(status: String)
        /// Subscribed by a write.
        case subscribed
        /// Cancelled by a write. The plan is listed until this day.
        case ending(SandboxDate)
    }

    /// A member that only some plans have.
    struct Detail: Sendable {
        let name: String
        /// The JSON text of the value.
        let value: String
        /// The only view with this member; `nil` for both.
        var view: SandboxPlans.View?

        init(_ name: String, _ value: String, only view: SandboxPlans.View? = nil) {
            self.name = name
            self.value = value
            self.view = view
        }

        init(_ name: String, text: String, only view: SandboxPlans.View? = nil) {
            var buffer = ByteBuffer()
            buffer.writeJSONString(text)
            self.init(name, String(buffer: buffer), only: view)
        }
    }

    var code: String
    var hosts: Int?

    /// The used hosts, which can be more than `hosts`.
    var usage = 0
    var form = Form.regular

    /// The first day of the service.
    let since: SandboxDate
    var term: Term
    var details: [Detail] = []

    /// Whether the account pays for it beyond the current month.
    var isActive: Bool {
        switch term {
        case .generated(let status): status == "active" || status == "Active"
        case .subscribed: true
        case .ending: false
        }
    }

    /// Whether the plan is still listed on a day.
    func isListed(on day: SandboxDate) -> Bool {
        switch term {
        case .generated, .subscribed: true
        case .ending(let end): day < end
        }
    }
}
