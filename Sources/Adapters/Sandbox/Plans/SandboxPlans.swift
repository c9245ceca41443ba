import NIOCore

/// The plans of an account, in Zoom's JSON.
struct SandboxPlans: Sendable {
    /// How a plan is written: what was bought, or how much of it is used.
    enum View: Sendable {
        case information
        case usage
    }

    let account: Int
    let view: View
    let kind: SandboxAccountKind?
    let created: SandboxDate
    let nextInvoice: SandboxDate

    private static let plansOfLarge = 3000

    func write(to object: inout JSONMemberWriter) {
        if kind == .large {
            writeBase(to: &object)
            object.member("plan_webinar") { buffer in
                buffer.writeJSONArray(0..<Self.plansOfLarge) { buffer, index in
                    buffer.writeJSONObject { write("webinar500_monthly", hosts: 1 + index % 20, to: &$0) }
                }
            }
            return
        }
        switch SandboxPlanKind.of(account) {
        case .base: writeBase(to: &object)
        case .arrays:
            writeBase(to: &object)
            writeArray("plan_webinar", ["webinar500_monthly", "webinar1000"], to: &object)
            writeArray("plan_large_meeting", ["large500_yearly"], to: &object)
            writeArray("plan_zoom_events", ["zoomevents500_monthly"], to: &object)
        case .rooms:
            writeBase(to: &object)
            writeObject("plan_zoom_rooms", "zroom_monthly", to: &object)
            writeObject("plan_room_connector", "roomconnector_monthly", to: &object)
            writeObject("plan_zwr", "zwr_yearly", to: &object)
        case .roomArrays:
            writeBase(to: &object)
            writeArray("plan_zoom_rooms", ["zroom_monthly", "zroom_yearly"], to: &object)
            writeArray("plan_room_connector", ["roomconnector_yearly"], to: &object)
            writeArray("plan_zwr", ["zwr_yearly"], to: &object)
        case .phone:
            writeBase(to: &object)
            object.member("plan_phone", write: writePhone)
        case .contactCenter:
            writeBase(to: &object)
            object.member("plan_zcc", write: writeContactCenter)
        case .recording:
            writeBase(to: &object)
            writeRecording(to: &object)
            object.member("plan_audio", write: writeAudio)
        case .unknown:
            writeBase(to: &object)
            object.member("plan_hologram_rooms") { buffer in
                buffer.writeJSONObject { plan in
                    write("zholo_quarterly", hosts: 2, to: &plan)
                    plan.member("resolution", "8K")
                    plan.member("unit_price") { $0.writeString("12345678901234567.89") }
                }
            }
            object.member("plan_tiers") { $0.writeString(#"[["bronze",1],["silver",2.50]]"#) }
            object.member("plan_note", "no plan")
        case .bundle:
            object.member("plan_united") { buffer in
                buffer.writeJSONObject { plan in
                    write("pro_zpp_monthly", hosts: SandboxPlanKind.hosts(of: account), to: &plan)
                    if view == .usage { plan.member("name", "Zoom United Pro") }
                }
            }
            writeObject("plan_whiteboard", "zwb_monthly", to: &object)
        }
    }

    // MARK: Forms

    private func writeBase(to object: inout JSONMemberWriter) {
        let base = SandboxPlanKind.base(of: account)
        object.member("plan_base") { buffer in
            buffer.writeJSONObject { plan in
                write(base.code, hosts: SandboxPlanKind.hosts(of: account), isBase: true, to: &plan)
                guard kind == .additionalMembers else { return }
                switch view {
                case .information:
                    plan.member("included_minutes", 2000)
                    plan.member("overage_price") { $0.writeString("0.025") }
                case .usage: plan.member("active_hosts", account % 10)
                }
            }
        }
    }

    private func writeObject(_ name: StaticString, _ code: String, to object: inout JSONMemberWriter) {
        object.member(name) { buffer in buffer.writeJSONObject { write(code, hosts: 3, isRoom: true, to: &$0) } }
    }

    private func writeArray(_ name: StaticString, _ codes: [String], to object: inout JSONMemberWriter) {
        object.member(name) { buffer in
            buffer.writeJSONArray(codes) { buffer, code in
                buffer.writeJSONObject { write(code, hosts: 1 + account % 5, to: &$0) }
            }
        }
    }

    /// The spellings of a status in different releases of Zoom.
    private static let statuses = ["active", "cancel", "cancelled", "expired", "Active"]

    private var status: String { Self.statuses[account % Self.statuses.count] }

    /// Writes the members of a plan.
    ///
    /// - Parameters:
    ///   - isBase: Whether it is the base plan, which is active.
    ///   - isRoom: Whether the usage has no `pending`.
    private func write(
        _ code: String, hosts: Int?, isBase: Bool = false, isRoom: Bool = false, to plan: inout JSONMemberWriter
    ) {
        plan.member("type", code)
        if let hosts { plan.member("hosts", hosts) }
        switch view {
        case .information:
            switch kind {
            case .missingMembers: break
            case .nullMembers:
                plan.member("service_effective_date") { $0.writeString("null") }
                plan.member("next_invoice_date") { $0.writeString("null") }
                plan.member("status") { $0.writeString("null") }
            case .additionalMembers, .free, .freeWithSuccessStatus, .selfPay, .quotedStatus, .large, .longAmounts,
                .unsafeFileName, nil:
                writeDates(to: &plan)
                plan.member("status", isBase ? "active" : status)
            }
        case .usage:
            // More than was bought for one account in ten.
            if let hosts { plan.member("usage", account % 10 == 9 ? hosts + 2 : hosts * (account % 10) / 10) }
            if !isRoom { plan.member("pending", account % 3) }
        }
    }

    private func writeDates(to plan: inout JSONMemberWriter) {
        plan.member("service_effective_date", text(created))
        plan.member("next_invoice_date", text(nextInvoice))
    }

    /// The two forms of dates that Zoom's examples have.
    private func text(_ date: SandboxDate) -> String {
        account.isMultiple(of: 2) ? date.text : "\(date.text)T00:00:00Z"
    }

    // MARK: Plans of other shapes

    private func writePhone(to buffer: inout ByteBuffer) {
        buffer.writeJSONObject { phone in
            phone.member("plan_base") { buffer in
                buffer.writeJSONObject { plan in
                    write("zp_payg", hosts: nil, to: &plan)
                    plan.member("callout_countries", "US,CA")
                }
            }
            writeArray("plan_calling", ["zobp_usca_monthly_unlimited", "zp_usca_monthly_metered"], to: &phone)
            writeArray("plan_number", ["zp_number_monthly"], to: &phone)
            if !account.isMultiple(of: 2) { writeArray("plan_calling_addons", ["zp_power_pack"], to: &phone) }
        }
    }

    private func writeContactCenter(to buffer: inout ByteBuffer) {
        buffer.writeJSONObject { center in
            center.member("plan_package") { buffer in
                buffer.writeJSONObject { plan in
                    plan.member("type", "zcc_elite_monthly")
                    plan.member("callout_countries", "US,DE")
                }
            }
            writeArray("plan_usage", ["zcc_voice_monthly"], to: &center)
            writeArray("plan_recording", ["zcc_recording_monthly"], to: &center)
            writeArray("plan_phone_number", ["zcc_number_monthly"], to: &center)
        }
    }

    private func writeRecording(to object: inout JSONMemberWriter) {
        switch view {
        case .information:
            object.member("plan_recording", "cmr_monthly_commitment_40")
            object.member("plan_recording_status", account.isMultiple(of: 2) ? "Active" : "Cancelled")
            object.member("plan_recording_service_effective_date", text(created))
            object.member("plan_recording_next_invoice_date", text(nextInvoice))
        case .usage:
            object.member("plan_recording") { buffer in
                buffer.writeJSONObject { plan in
                    plan.member("type", "cmr_monthly_commitment_40")
                    plan.member("free_storage", "3 GB")
                    plan.member("free_storage_usage", "3 GB")
                    plan.member("plan_storage", "100 GB")
                    plan.member("plan_storage_usage", "12.5 GB")
                    plan.member("plan_storage_exceed", "0")
                    plan.member("max_exceed_date", "")
                }
            }
        }
    }

    private func writeAudio(to buffer: inout ByteBuffer) {
        buffer.writeJSONObject { plan in
            write("tollfree_monthly_commitment_100", hosts: nil, to: &plan)
            plan.member("tollfree_countries", "US,DE")
            plan.member("premium_countries", "")
            plan.member("callout_countries", "US,CA,DE")
            plan.member("ddi_numbers", 2)
        }
    }
}
