import Domain
import Testing

@Suite("Plan codes")
struct PlanCodeTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let text: String
        let family: PlanFamily?
        let size: Int?
        let term: PlanCode.Term?

        var testDescription: String { text }

        init(_ text: String, _ family: PlanFamily?, _ size: Int? = nil, _ term: PlanCode.Term? = nil) {
            self.text = text
            self.family = family
            self.size = size
            self.term = term
        }
    }

    @Test(
        "A plan code is read as family, size and term",
        arguments: [
            Row("trial", .trial), Row("monthly", .pro, nil, .monthly), Row("yearly", .pro, nil, .yearly),
            Row("plan_pro_two_years", .pro, nil, .twoYears), Row("plan_pro_three_years", .pro, nil, .threeYears),
            Row("business_monthly", .business, nil, .monthly), Row("business_yearly", .business, nil, .yearly),
            Row("plan_business_three_years", .business, nil, .threeYears), Row("edu20", .education, 20),
            Row("pro_zpp_monthly", .united, nil, .monthly), Row("zroom_yearly", .zoomRooms, nil, .yearly),
            Row("roomconnector_monthly", .roomConnector, nil, .monthly),
            Row("large500_yearly", .largeMeeting, 500, .yearly),
            Row("plan_large500_two_years", .largeMeeting, 500, .twoYears),
            Row("webinar10000_monthly", .webinar, 10_000, .monthly), Row("webinar1000", .webinar, 1000),
            Row("zoomevents500_monthly", .zoomEvents, 500, .monthly), Row("cmr_monthly_commitment_40", .recording, 40),
            Row("tollfree_payongo", .payAsYouGoAudio), Row("tollfree_monthly_commitment_500", .committedAudio, 500),
            Row("zobp_usca_monthly_unlimited", .phone), Row("zwb_monthly", .whiteboard, nil, .monthly),
            Row("ziq_sales_monthly", .revenueAccelerator, nil, .monthly),
            Row("zwr_yearly", .workspaceReservation, nil, .yearly), Row("zsched_yearly", .scheduler, nil, .yearly),
            Row("zm_hybrid_quarterly", .meetingsHybrid, nil, .quarterly),
            Row("zm_clips_plus_monthly", .clipsPlus, nil, .monthly),
        ])
    func known(row: Row) {
        let code = PlanCode(row.text)
        #expect(code.text == row.text)
        #expect(code.family == row.family)
        #expect(code.size == row.size)
        #expect(code.term == row.term)
    }

    @Test(
        "A code that this service does not know has no family",
        arguments: [
            "", "_", "plan_", "quarterly", "two_years", "pro_monthly", "pro", "business", "webinar", "webinar_monthly",
            "webinar501_monthly", "webinar500_", "webinar500_weekly", "Monthly", "monthly ", "edu21",
            "plan_webinar500_monthly",
            "webinar99999999999999999999_monthly", "cmr_monthly_commitment_41", "zholo_quarterly",
        ])
    func unknown(text: String) {
        #expect(PlanCode(text).family == nil)
    }
}
