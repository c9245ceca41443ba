import Domain
import Testing

@Suite("Plans of an account")
struct AccountPlansTests {
    private static func read(_ value: InputValue) -> [AccountPlans.Plan] { AccountPlans(reading: value).plans }

    private static func plan(
        _ member: String, _ kind: PlanKind.Known, _ code: String, _ hosts: Int?, _ status: AccountPlans.Status
    ) -> AccountPlans.Plan {
        AccountPlans.Plan(member: member, kind: .known(kind), code: PlanCode(code), hosts: hosts, status: status)
    }

    @Test("A plan is read from an object and from a list")
    func forms() {
        let plan: InputValue = ["type": "zroom_monthly", "hosts": 3, "status": "active"]
        let expected = Self.plan("plan_zoom_rooms", .zoomRooms, "zroom_monthly", 3, .active)
        #expect(Self.read(["plan_zoom_rooms": plan]) == [expected])
        #expect(Self.read(["plan_zoom_rooms": [plan, plan]]) == [expected, expected])
    }

    @Test("A recording plan has its status in a member beside it")
    func recording() {
        #expect(
            Self.read(["plan_recording": "cmr_monthly_commitment_40", "plan_recording_status": "Cancelled"]) == [
                Self.plan("plan_recording", .recording, "cmr_monthly_commitment_40", nil, .cancelled)
            ])
        #expect(
            Self.read(["plan_recording": "cmr_monthly_commitment_40"]) == [
                Self.plan("plan_recording", .recording, "cmr_monthly_commitment_40", nil, .unknown(""))
            ])
        #expect(
            Self.read(["plan_recording": ["type": "cmr_monthly_commitment_40", "status": "Active"]]) == [
                Self.plan("plan_recording", .recording, "cmr_monthly_commitment_40", nil, .active)
            ])
    }

    @Test("The plans of a phone or contact center member are read with their path")
    func parts() {
        let plans = Self.read([
            "plan_phone": [
                "plan_base": ["type": "zp_payg", "callout_countries": "US", "status": "active"],
                "plan_calling": [["type": "zp_metered", "hosts": 2, "status": "active"]], "note": ["type": "x"],
            ], "plan_zcc": ["plan_usage": [["type": "zcc_voice", "hosts": 1, "status": "expired"]]],
        ])
        #expect(
            plans == [
                Self.plan("plan_phone.plan_base", .phone, "zp_payg", nil, .active),
                Self.plan("plan_phone.plan_calling", .phone, "zp_metered", 2, .active),
                Self.plan("plan_zcc.plan_usage", .contactCenter, "zcc_voice", 1, .expired),
            ])
    }

    @Test("An audio plan has a code and no hosts")
    func audio() {
        #expect(
            Self.read(["plan_audio": ["type": "tollfree_payongo", "ddi_numbers": 2, "status": "active"]]) == [
                Self.plan("plan_audio", .audio, "tollfree_payongo", nil, .active)
            ])
    }

    @Test("A plan of an unknown kind is read by its member")
    func unknownKind() {
        let plans = Self.read(["plan_hologram": ["type": "holo", "hosts": 1, "status": "active", "resolution": "8K"]])
        #expect(plans.map(\.kind) == [.other("plan_hologram")])
        #expect(plans.map(\.code.text) == ["holo"])
    }

    @Test(
        "A status is read in every spelling of Zoom",
        arguments: [
            ("active", .active), ("Active", .active), ("cancel", .cancelled), ("cancelled", .cancelled),
            ("Cancelled", .cancelled), ("canceled", .cancelled), ("expired", .expired), ("paused", .unknown("paused")),
            ("", .unknown("")),
        ] as [(String, AccountPlans.Status)])
    func status(text: String, status: AccountPlans.Status) {
        #expect(AccountPlans.Status(text) == status)
    }

    @Test(
        "Hosts are read from numbers and from texts",
        arguments: [(5, 5), ("5", 5), (.number("5.0"), 5), ("five", nil), (nil, nil), (.number("1e400"), nil)]
            as [(InputValue, Int?)])
    func hosts(value: InputValue, hosts: Int?) {
        #expect(Self.read(["plan_base": ["type": "monthly", "hosts": value]]).map(\.hosts) == [hosts])
    }

    @Test(
        "A member that is no plan is ignored",
        arguments: [
            nil, [], "plans", ["plan_tiers": [["bronze", 1], ["silver", 2]]], ["plan_note": "no plan"],
            ["plan_base": nil],
            ["plan_base": ["type": nil]], ["plan_base": ["type": ""]], ["plan_base": ["type": 3]],
            ["plan_base": [[["type": "x"]]]],
            ["base": ["type": "monthly"]], ["plan_recording": ""],
            ["plan_phone": ["plan_base": ["plan_base": ["type": "x"]]]],
        ] as [InputValue])
    func ignored(value: InputValue) {
        #expect(Self.read(value) == [])
    }

    @Test("The member name determines the kind of a plan, and an unknown member name is preserved")
    func kinds() {
        for kind in PlanKind.Known.allCases {
            #expect(PlanKind(member: kind.rawValue) == .known(kind))
            #expect(PlanKind.known(kind).member == kind.rawValue)
        }
        #expect(PlanKind(member: "plan_hologram") == .other("plan_hologram"))
        #expect(PlanKind.other("plan_hologram").member == "plan_hologram")
    }
}
