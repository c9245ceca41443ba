import NIOCore

extension SandboxPlans {
    /// Writes the members of the plans.
    ///
    /// - Parameter nextInvoice: The date of the account's next invoice.
    func write(_ view: View, nextInvoice: SandboxDate, to object: inout JSONMemberWriter) {
        Writer(plans: self, view: view, nextInvoice: nextInvoice).write(members, to: &object)
    }

    private struct Writer {
        let plans: SandboxPlans
        let view: View
        let nextInvoice: SandboxDate

        func write(_ members: [Member], to object: inout JSONMemberWriter) {
            for member in members {
                switch member.value {
                case .plan(let plan):
                    object.member(named: member.name) { buffer in buffer.writeJSONObject { write(plan, to: &$0) } }
                case .list(let list):
                    object.member(named: member.name) { buffer in
                        buffer.writeJSONArray(list) { buffer, plan in buffer.writeJSONObject { write(plan, to: &$0) } }
                    }
                case .group(let members):
                    object.member(named: member.name) { buffer in buffer.writeJSONObject { write(members, to: &$0) } }
                case .recording(let plan): writeRecording(plan, member.name, to: &object)
                case .text(let text): object.member(named: member.name) { $0.writeString(text) }
                }
            }
        }

        private func write(_ plan: SandboxPlan, to object: inout JSONMemberWriter) {
            object.member("type", plan.code)
            if let hosts = plan.hosts { object.member("hosts", hosts) }
            switch view {
            case .information: writeTerm(of: plan, to: &object)
            case .usage:
                if plan.form != .package {
                    if plan.hosts != nil { object.member("usage", plan.usage) }
                    if plan.form != .room { object.member("pending", pending(plan)) }
                }
            }
            for detail in plan.details where detail.view ?? view == view {
                object.member(named: detail.name) { $0.writeString(detail.value) }
            }
        }

        private func pending(_ plan: SandboxPlan) -> Int {
            switch plan.term {
            case .generated: plans.account % 3
            case .subscribed, .ending: 0
            }
        }

        private func writeTerm(of plan: SandboxPlan, to object: inout JSONMemberWriter) {
            switch plan.term {
            case .generated(let status):
                if plan.form == .package { return }
                switch plans.kind {
                case .missingMembers: break
                case .nullMembers:
                    object.member("service_effective_date") { $0.writeString("null") }
                    object.member("next_invoice_date") { $0.writeString("null") }
                    object.member("status") { $0.writeString("null") }
                case .additionalMembers, .free, .freeWithSuccessStatus, .selfPay, .quotedStatus, .large, .longAmounts,
                    .unsafeFileName, nil:
                    write(from: plan.since, to: nextInvoice, status, to: &object)
                }
            case .subscribed: write(from: plan.since, to: nextInvoice, "active", to: &object)
            case .ending(let end): write(from: plan.since, to: end, "cancelled", to: &object)
            }
        }

        private func write(
            from since: SandboxDate, to next: SandboxDate, _ status: String, to object: inout JSONMemberWriter
        ) {
            object.member("service_effective_date", text(since))
            object.member("next_invoice_date", text(next))
            object.member("status", status)
        }

        /// The two forms of dates that Zoom's examples have.
        private func text(_ date: SandboxDate) -> String {
            plans.account.isMultiple(of: 2) ? date.text : "\(date.text)T00:00:00Z"
        }

        private func writeRecording(_ plan: SandboxPlan, _ name: String, to object: inout JSONMemberWriter) {
            switch view {
            case .information:
                let (status, next) =
                    switch plan.term {
                    case .generated(let status): (status, nextInvoice)
                    case .subscribed: ("Active", nextInvoice)
                    case .ending(let end): ("Cancelled", end)
                    }
                object.member(named: name) { $0.writeJSONString(plan.code) }
                object.member(named: name + "_status") { $0.writeJSONString(status) }
                object.member(named: name + "_service_effective_date") { $0.writeJSONString(text(plan.since)) }
                object.member(named: name + "_next_invoice_date") { $0.writeJSONString(text(next)) }
            case .usage:
                object.member(named: name) { buffer in
                    buffer.writeJSONObject { object in
                        object.member("type", plan.code)
                        object.member("free_storage", "3 GB")
                        object.member("free_storage_usage", "3 GB")
                        object.member("plan_storage", "100 GB")
                        object.member("plan_storage_usage", "12.5 GB")
                        object.member("plan_storage_exceed", "0")
                        object.member("max_exceed_date", "")
                    }
                }
            }
        }
    }
}
