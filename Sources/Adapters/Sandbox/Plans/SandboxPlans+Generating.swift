extension SandboxPlans {
    /// The plans of an account that no write changed.
    ///
    /// - Parameter created: The day on which the account was created.
    init(of account: Int, kind: SandboxAccountKind?, created: SandboxDate) {
        self.init(
            account: account, kind: kind,
            members: Generator(account: account, kind: kind, created: created).members)
    }

    private struct Generator {
        let account: Int
        let kind: SandboxAccountKind?
        let created: SandboxDate

        private static let plansOfLarge = 3000

        var members: [Member] {
            switch kind {
            case .free, .freeWithSuccessStatus: []
            case .large:
                [
                    base,
                    Member(
                        name: "plan_webinar",
                        value: .list((0..<Self.plansOfLarge).map { plan("webinar500_monthly", hosts: 1 + $0 % 20) })),
                ]
            case .missingMembers, .nullMembers, .additionalMembers, .selfPay, .quotedStatus, .longAmounts,
                .unsafeFileName, nil:
                membersByKind
            }
        }

        private var membersByKind: [Member] {
            switch SandboxPlanKind.of(account) {
            case .base: [base]
            case .arrays:
                [
                    base, list("plan_webinar", ["webinar500_monthly", "webinar1000"]),
                    list("plan_large_meeting", ["large500_yearly"]),
                    list("plan_zoom_events", ["zoomevents500_monthly"]),
                ]
            case .rooms:
                [
                    base, object("plan_zoom_rooms", "zroom_monthly"),
                    object("plan_room_connector", "roomconnector_monthly"), object("plan_zwr", "zwr_yearly"),
                ]
            case .roomArrays:
                [
                    base, list("plan_zoom_rooms", ["zroom_monthly", "zroom_yearly"]),
                    list("plan_room_connector", ["roomconnector_yearly"]), list("plan_zwr", ["zwr_yearly"]),
                ]
            case .phone: [base, phone]
            case .contactCenter: [base, contactCenter]
            case .recording: [base, recording, audio]
            case .unknown:
                [
                    base,
                    Member(
                        name: "plan_hologram_rooms",
                        value: .plan(
                            plan(
                                "zholo_quarterly", hosts: 2,
                                details: [
                                    .init("resolution", text: "8K"), .init("unit_price", "12345678901234567.89"),
                                ]))),
                    Member(name: "plan_tiers", value: .text(#"[["bronze",1],["silver",2.50]]"#)),
                    Member(name: "plan_note", value: .text(#""no plan""#)),
                ]
            case .bundle:
                [
                    Member(
                        name: SandboxPlans.bundle,
                        value: .plan(
                            plan(
                                "pro_zpp_monthly", hosts: SandboxPlanKind.hosts(of: account),
                                details: [.init("name", text: "Zoom United Pro", only: .usage)]))),
                    object("plan_whiteboard", "zwb_monthly"),
                ]
            }
        }

        // MARK: Forms

        /// The spellings of a status in different releases of Zoom.
        private static let statuses = ["active", "cancel", "cancelled", "expired", "Active"]

        /// The status of additional plans. Plans that are written without a status are active.
        private var status: String {
            switch kind {
            case .missingMembers, .nullMembers: "active"
            case .additionalMembers, .free, .freeWithSuccessStatus, .selfPay, .quotedStatus, .large, .longAmounts,
                .unsafeFileName, nil:
                Self.statuses[account % Self.statuses.count]
            }
        }

        private func plan(
            _ code: String, hosts: Int?, form: SandboxPlan.Form = .regular, status: String? = nil,
            details: [SandboxPlan.Detail] = []
        ) -> SandboxPlan {
            // More than was bought for one account in ten.
            let usage = hosts.map { account % 10 == 9 ? $0 + 2 : $0 * (account % 10) / 10 }
            return SandboxPlan(
                code: code, hosts: hosts, usage: usage ?? 0, form: form, since: created,
                term: .generated(status: status ?? self.status), details: details)
        }

        private var base: Member {
            let details: [SandboxPlan.Detail] =
                kind == .additionalMembers
                ? [
                    .init("included_minutes", "2000", only: .information),
                    .init("overage_price", "0.025", only: .information),
                    .init("active_hosts", String(account % 10), only: .usage),
                ] : []
            return Member(
                name: SandboxPlans.base,
                value: .plan(
                    plan(
                        SandboxPlanKind.base(of: account).code, hosts: SandboxPlanKind.hosts(of: account),
                        status: "active", details: details)))
        }

        private func object(_ name: String, _ code: String) -> Member {
            Member(name: name, value: .plan(plan(code, hosts: 3, form: .room)))
        }

        private func list(_ name: String, _ codes: [String]) -> Member {
            Member(name: name, value: .list(codes.map { plan($0, hosts: 1 + account % 5) }))
        }

        // MARK: Plans of other shapes

        private var phone: Member {
            var members = [
                Member(
                    name: "plan_base",
                    value: .plan(
                        plan("zp_payg", hosts: nil, details: [.init("callout_countries", text: "US,CA")]))),
                list("plan_calling", ["zobp_usca_monthly_unlimited", "zp_usca_monthly_metered"]),
                list("plan_number", ["zp_number_monthly"]),
            ]
            if !account.isMultiple(of: 2) { members.append(list("plan_calling_addons", ["zp_power_pack"])) }
            return Member(name: SandboxPlans.phone, value: .group(members))
        }

        private var contactCenter: Member {
            Member(
                name: "plan_zcc",
                value: .group([
                    Member(
                        name: "plan_package",
                        value: .plan(
                            plan(
                                "zcc_elite_monthly", hosts: nil, form: .package, status: "active",
                                details: [.init("callout_countries", text: "US,DE")]))),
                    list("plan_usage", ["zcc_voice_monthly"]), list("plan_recording", ["zcc_recording_monthly"]),
                    list("plan_phone_number", ["zcc_number_monthly"]),
                ]))
        }

        private var recording: Member {
            let status = account.isMultiple(of: 2) ? "Active" : "Cancelled"
            return Member(
                name: "plan_recording",
                value: .recording(plan("cmr_monthly_commitment_40", hosts: nil, status: status)))
        }

        private var audio: Member {
            Member(
                name: "plan_audio",
                value: .plan(
                    plan(
                        "tollfree_monthly_commitment_100", hosts: nil,
                        details: [
                            .init("tollfree_countries", text: "US,DE"), .init("premium_countries", text: ""),
                            .init("callout_countries", text: "US,CA,DE"), .init("ddi_numbers", "2"),
                        ])))
        }
    }
}
