import Adapters
import Testing

/// The writes that the sandbox refuses, with their texts.
enum SandboxRefusedWrites {
    /// A write: an operation with its method and path.
    enum Write: String, CaseIterable, Sendable {
        case updateBilling = "PATCH /billing"
        case subscribePlans = "POST /plans"
        case subscribeAddon = "POST /plans/addons"
        case updateAddon = "PUT /plans/addons"
        case cancelAddon = "PATCH /plans/addons/status"
        case updateBase = "PUT /plans/base"
        case cancelBase = "PATCH /plans/base/status"

        var method: String { String(rawValue.prefix { $0 != " " }) }
        var path: String { String(rawValue.drop { $0 != " " }.dropFirst()) }

        /// A body that the sandbox accepts from an account without a peculiarity.
        var body: String {
            switch self {
            case .updateBilling: #"{"city":"Berkeley"}"#
            case .subscribePlans: #"{"plan_base":{"type":"business_monthly","hosts":12}}"#
            case .subscribeAddon: #"{"type":"large500_monthly","hosts":2}"#
            case .updateAddon: #"{"type":"webinar500_monthly","hosts":7}"#
            case .cancelAddon: #"{"action":"cancel","type":"webinar500_monthly"}"#
            case .updateBase: #"{"type":"business_monthly","hosts":49}"#
            case .cancelBase: #"{"action":"cancel"}"#
            }
        }
    }

    /// A refused write.
    struct Case: CustomTestStringConvertible, Sendable {
        let write: Write
        let code: Int
        let message: String
        /// The kind of account, or the number of an account.
        var account = "plans-base"
        var mode = SandboxAccountMode.regular
        var body: String?
        var status = 400
        /// Writes before, which the sandbox accepts.
        var before: [(Write, String)] = []
        var testDescription: String { "\(write.rawValue) \(account) \(mode.rawValue): \(message)" }
    }

    private static let selfPay = "This sub account is on self pay mode."
    private static let bulk =
        "Master accounts with bulk licenses cannot provision, update, or cancel plans for sub accounts using APIs, please "
        + "use the billing portal or contact Support."
    private static let vip =
        "Free trial and VIP accounts can not cancel plans of a sub account. Contact the Zoom Support team for details."
    private static let bundle =
        "You cannot make cancellation requests for a bundle plan. Contact the Zoom Support team for details."
    private static let contact =
        #""first_name":"New","last_name":"Owner","email":"a@example.com","country":"US","address":"1 Street","#
        + #""city":"Oakland","phone_number":"1","state":"CA","zip":"94607""#

    private static func plans(_ members: String) -> String {
        #"{"plan_base":{"type":"business_monthly","hosts":12},\#(members)}"#
    }

    private static func bundled(_ members: String) -> String {
        #"{"plan_united":{"type":"pro_zpp_monthly","hosts":12},\#(members)}"#
    }

    private static func hosts(_ code: String, _ hosts: String) -> String {
        #"{"plan_base":{"type":"\#(code)","hosts":\#(hosts)}}"#
    }

    private static let unknownAccount: [Case] = Write.allCases.map { write in
        let message =
            write == .cancelBase
            ? "This account does not exist or does not belong to this master account."
            : "Account does not exist: nobody."
        return Case(write: write, code: 2001, message: message, account: "nobody", status: 404)
    }

    private static let notAnObject: [Case] = Write.allCases.flatMap { write in
        ["", "{", "[]"].map { body in
            Case(
                write: write, code: 300, message: "Request Body should be a valid JSON object.",
                account: "plans-arrays",
                body: body)
        }
    }

    private static let bulkLicenses: [Case] = Write.allCases.filter { $0 != .updateBilling }.map {
        Case(write: $0, code: 2100, message: bulk, account: "plans-arrays", mode: .bulkLicenses)
    }

    private static let unknownUser: [Case] =
        [Write.subscribePlans, .subscribeAddon, .cancelAddon, .updateBase, .cancelBase].map {
            Case(
                write: $0, code: 1001, message: "User does not exist.", account: "plans-arrays", mode: .unknownUser,
                status: 404)
        }

    private static let ofSelfPay: [Case] = Write.allCases.map { write in
        let message =
            switch write {
            case .subscribePlans: "Cannot add plan for a sub account which is paid by self."
            case .cancelBase: "This sub account is paid by self."
            case .updateBilling, .subscribeAddon, .updateAddon, .cancelAddon, .updateBase: selfPay
            }
        return Case(write: write, code: 2100, message: message, account: "self-pay")
    }

    private static let freeTexts: [(Write, String)] = [
        (.updateBilling, "Please subscribe a plan for this sub account first."),
        (.cancelAddon, "You cannot cancel plan for a sub account that is under a free plan."),
        (.updateBase, "You do not have a subscription yet."),
        (.cancelBase, "Cannot cancel plan for a sub account which is under free plan."),
    ]

    private static let ofFree: [Case] = freeTexts.flatMap { write, message in
        [
            Case(write: write, code: 200, message: message, account: "free"),
            Case(write: write, code: 200, message: message, account: "free-200", status: 200),
        ]
    }

    private static let additionalOfFree: [Case] = [Write.subscribeAddon, .updateAddon].map {
        Case(
            write: $0, code: 2100, message: "Cannot update Additional plan for a sub account under free plan.",
            account: "free")
    }

    private static let trialTexts: [(Write, String)] = [
        (.updateAddon, "Free trial and VIP accounts can't update sub plans."), (.cancelAddon, vip),
        (.updateBase, "Free trial and VIP account can't update sub plan."), (.cancelBase, vip),
    ]

    private static let ofTrialAndVIP: [Case] = trialTexts.flatMap { write, message in
        [
            Case(write: write, code: 200, message: message, account: "plans-arrays", mode: .vip),
            Case(write: write, code: 200, message: message, account: "plans-arrays", mode: .freeTrial),
        ]
    }

    /// Errors of several operations.
    private static let general: [Case] =
        unknownAccount + notAnObject + bulkLicenses + unknownUser + ofSelfPay + ofFree + additionalOfFree
        + ofTrialAndVIP

    private static let ofBilling: [Case] = [
        Case(write: .updateBilling, code: 2100, message: "Invalid country parameter: XX.", body: #"{"country":"XX"}"#),
        Case(write: .updateBilling, code: 2100, message: "Invalid state parameter: ZZ.", body: #"{"state":"ZZ"}"#),
        Case(
            write: .updateBilling, code: 2100, message: "Invalid state parameter: CA.",
            body: #"{"country":"CA","state":"CA"}"#),
        Case(write: .updateBilling, code: 300, message: "Validation Failed.", body: #"{"email":"a","city":1}"#),
    ]

    private static let invalidPlans: [(status: Int, code: Int, message: String, account: String, body: String)] =
        [
            (400, 2100, "Cannot add plan for Sub account which is not free plan.", "plans-base", hosts("monthly", "1")),
            (400, 2100, "Invalid field: plan_bundle", "free", plans(#""plan_bundle":{}"#)),
            (
                400, 2100, "Can’t subscribe to base plan and bundle plan at the same time.", "free",
                plans(#""plan_united":{"type":"pro_zpp_monthly","hosts":1}"#)
            ),
            (400, 2100, "Error getting bundle.", "free", #"{"plan_united":{"type":"x","hosts":1}}"#),
            (400, 2100, "Invalid host number.", "free", #"{"plan_united":{"type":"pro_zpp_monthly"}}"#),
            (400, 2100, "Invalid Base Plan: {id}", "free", "{}"),
            (400, 2100, "Invalid Base Plan: {id}", "free", #"{"plan_base":{"hosts":1}}"#),
            (400, 2100, "Invalid host number.", "free", hosts("monthly", #""1""#)),
            (400, 2100, "Invalid host number.", "free", plans(#""plan_webinar":[{"type":"webinar500_monthly"}]"#)),
            (400, 2100, "Invalid Cloud Recording Plan: cmr", "free", plans(#""plan_recording":"cmr""#)),
            (400, 2100, "Invalid Audio Conferencing Plan: x", "free", plans(#""plan_audio":{"type":"x"}"#)),
            (
                400, 2100, "At least one option from among the Toll-free, Premium and Call-out must be provided.",
                "free",
                plans(#""plan_audio":{"type":"tollfree_payongo","callout_countries":""}"#)
            ),
            (400, 300, "Account can’t buy this plan.", "free", hosts("webinar500_monthly", "1")),
            (200, 300, "Account can’t buy this plan.", "free-200", hosts("webinar500_monthly", "1")),
            (
                400, 300, "Account can’t buy this plan.", "free",
                plans(#""plan_webinar":[{"type":"webinar100_monthly","hosts":1}]"#)
            ),
            (
                400, 300, "Account can’t buy this plan.", "free",
                plans(#""plan_webinar":{"type":"zroom_monthly","hosts":1}"#)
            ),
            (400, 300, "Buy hosts must equal or larger than 10.", "free", hosts("business_yearly", "9")),
            (400, 300, "Buy hosts must equal or smaller than 49.", "free", hosts("business_yearly", "50")),
            (400, 300, "Buy hosts must equal or smaller than 9999.", "free", hosts("trial", "10000")),
            (400, 300, "Buy hosts must equal or larger than 1.", "free", hosts("monthly", "0")),
            (
                400, 300, "Buy hosts must equal or larger than 1.", "free",
                plans(#""plan_webinar":[{"type":"webinar500_monthly","hosts":0}]"#)
            ),
        ]

    private static let ofInvalidPlans: [Case] = invalidPlans.map { row in
        Case(
            write: .subscribePlans, code: row.code, message: row.message, account: row.account, body: row.body,
            status: row.status)
    }

    private static let missingFields: [Case] =
        [
            "first_name", "last_name", "email", "country", "address", "city", "phone_number", "state", "zip",
        ].map { name in
            Case(
                write: .subscribePlans, code: 2100, message: "Invalid parameter: \(name)", account: "free",
                body: plans(#""contact":{\#(contact.replacing("\"\(name)\"", with: "\"other\""))}"#))
        }

    private static let invalidPlaces: [Case] = [("country", "US", "XX"), ("state", "CA", "ZZ")].map {
        (name: String, old: String, new: String) in
        Case(
            write: .subscribePlans, code: 2100, message: "Invalid \(name) parameter: \(new)", account: "free",
            body: plans(
                #""contact":{\#(contact.replacing("\"\(name)\":\"\(old)\"", with: "\"\(name)\":\"\(new)\""))}"#))
    }

    private static let includedInBundle: [(title: String, member: String, code: String)] = [
        ("Zoom Room", "plan_zoom_rooms", "zroom_monthly"),
        ("Room Connector", "plan_room_connector", "roomconnector_yearly"),
        ("Large meeting", "plan_large_meeting", "large500_monthly"),
        ("Webinar", "plan_webinar", "webinar500_yearly"),
    ]

    private static let ofBundle: [Case] = includedInBundle.map { row in
        let message =
            "There was a conflict in processing this request. \(row.title) plan \(row.code) is already included in the "
            + "bundle plan."
        return Case(
            write: .subscribePlans, code: 2100, message: message, account: "free",
            body: bundled(#""\#(row.member)":{"type":"\#(row.code)","hosts":1}"#))
    }

    private static let ofSubscribePlans: [Case] = [
        Case(
            write: .subscribePlans, code: 2100,
            message: "Recording plan cmr_monthly_commitment_40 conflict with bundle plan.", account: "free",
            body: bundled(#""plan_recording":"cmr_monthly_commitment_40""#)),
        Case(
            write: .subscribePlans, code: 2100,
            message: "Audio conferencing plan tollfree_payongo conflict with bundle plan.", account: "free",
            body: bundled(#""plan_audio":{"type":"tollfree_payongo","tollfree_countries":"US"}"#)),
        Case(
            write: .subscribePlans, code: 200,
            message: "In order to take advantage of your account’s special pricing, please add Pro host licenses "
                + "instead and they will be assigned to your Zoom Rooms automatically.", account: "free",
            mode: .specialPricing, body: hosts("zroom_monthly", "3")),
        Case(
            write: .subscribePlans, code: 2100, message: "Cannot enable free trial again for sub account.",
            account: "free", mode: .freeTrial, body: hosts("trial", "3")),
        Case(
            write: .subscribePlans, code: 2100,
            message: "You cannot add a sub account because your master account owner prevented you from adding one.",
            account: "free", mode: .addingPrevented),
    ]

    private static let ofAdditionalPlans: [Case] = [
        Case(
            write: .subscribeAddon, code: 2100,
            message:
                "Additional Zoom Rooms plan cannot be added to a sub account that already has a Zoom Rooms base plan.",
            account: "free", body: #"{"type":"zroom_yearly","hosts":1}"#,
            before: [(.subscribePlans, hosts("zroom_monthly", "2"))]),
        Case(
            write: .subscribeAddon, code: 2100,
            message: "This sub account already has the additional plan: large500_monthly.",
            before: [(.subscribeAddon, Write.subscribeAddon.body)]),
        Case(
            write: .subscribeAddon, code: 2100,
            message: "This sub account already has the additional plan: plan_phone.",
            account: "plans-phone-active",
            body: #"{"type":"plan_phone","plan_details":{"plan_base":{"type":"zp_payg"}}}"#),
        Case(write: .subscribeAddon, code: 300, message: "Missing field: type.", body: "{}"),
        Case(write: .subscribeAddon, code: 300, message: "Missing field: hosts.", body: #"{"type":"zroom_monthly"}"#),
        Case(
            write: .subscribeAddon, code: 300, message: #"Invalid parameter "type"."#,
            body: #"{"type":"webinar500","hosts":1}"#),
        Case(
            write: .subscribeAddon, code: 300, message: #"Invalid parameter "hosts"."#,
            body: #"{"type":"zroom_monthly","hosts":0}"#),
        Case(write: .updateAddon, code: 2100, message: "Invalid plan type.", body: #"{"hosts":1}"#),
        Case(
            write: .updateAddon, code: 2100, message: "Invalid Additional Plan Type: webinar7_monthly.",
            body: #"{"type":"webinar7_monthly","hosts":1}"#),
        Case(
            write: .updateAddon, code: 2100, message: "Account can’t buy this product.",
            body: #"{"type":"webinar3000","hosts":1}"#),
        Case(
            write: .updateAddon, code: 200, message: "You don’t have subscription for (webinar500_monthly) yet."),
        Case(
            write: .updateAddon, code: 300,
            message: "Plan types do not match, oldPlanType: large500_monthly newPlanType: large1000_yearly.",
            body: #"{"type":"large1000_yearly","hosts":1}"#, before: [(.subscribeAddon, Write.subscribeAddon.body)]),
        Case(
            write: .updateAddon, code: 2100,
            message:
                "Can not subscribe/update additional Audio Conferencing Pay As You Go Plan for a sub account whose "
                + "base plan is not Business/Education plan.", account: "9",
            body: #"{"type":"tollfree_payongo","hosts":1}"#),
        Case(
            write: .updateAddon, code: 3261,
            message:
                #"The "Webinar100" plan is not supported. You cannot increase hosts for the "webinar100_monthly" plan."#,
            body: #"{"type":"webinar100_monthly","hosts":1}"#),
        Case(
            write: .updateAddon, code: 3261, message: "Must subscribe to a major plan first.",
            before: [(.cancelBase, Write.cancelBase.body)]),
        Case(
            write: .updateAddon, code: 3261, message: "Failed to change sub plan of account:{id}.", mode: .changeFails),
        Case(
            write: .updateAddon, code: 3200, message: "Cannot find Zuora subscription for account:{id}.",
            mode: .unknownSubscription, status: 404),
        Case(write: .cancelAddon, code: 300, message: "Plan type is required.", body: #"{"action":"cancel"}"#),
        Case(
            write: .cancelAddon, code: 300, message: #"Invalid parameter "action"."#,
            body: #"{"action":"stop","type":"x"}"#),
        Case(
            write: .cancelAddon, code: 300, message: #"Invalid parameter "reason"."#, body: #"{"type":"x","reason":7}"#),
        Case(
            write: .cancelAddon, code: 200,
            message: "You don't have a plan subscription for (webinar500_monthly) yet.."),
        Case(
            write: .cancelAddon, code: 200,
            message:
                "You cannot perform this action because you do not have a Zoom Phone subscription for this account.",
            body: #"{"type":"plan_phone"}"#),
        Case(
            write: .cancelAddon, code: 2100, message: bundle, account: "plans-bundle",
            body: #"{"type":"pro_zpp_monthly"}"#),
    ]

    private static let ofBasePlans: [Case] = [
        Case(
            write: .updateBase, code: 300, message: "Insufficient number of hosts for business plan type.",
            body: #"{"type":"business_yearly","hosts":9}"#),
        Case(
            write: .updateBase, code: 300, message: "Insufficient number of hosts for education plan type.",
            body: #"{"type":"edu20","hosts":19}"#),
        Case(
            write: .updateBase, code: 300,
            message: "Plan types do not match, oldPlanType: business_monthly newPlanType: webinar500_monthly.",
            body: #"{"type":"webinar500_monthly","hosts":19}"#),
        Case(
            write: .updateBase, code: 300,
            message: "Plan types do not match, oldPlanType: business_monthly newPlanType: zroom_monthly.",
            body: #"{"type":"zroom_monthly","hosts":19}"#),
        Case(
            write: .updateBase, code: 2100,
            message: "Cannot makes updates when account is subscribed to a bundle plan.",
            account: "plans-bundle"),
        Case(
            write: .updateBase, code: 2100, message: "This account is not under a free trial plan.",
            body: #"{"type":"trial","hosts":19}"#),
        Case(
            write: .updateBase, code: 2100,
            message: "The account currently has 17 paid users, you should change the user type to basic and reduce the "
                + "number of paid users before performing this action.", account: "65",
            body: #"{"type":"business_monthly","hosts":16}"#),
        Case(
            write: .updateBase, code: 200, message: "You do not have a subscription yet.",
            before: [(.cancelBase, Write.cancelBase.body)]),
        Case(
            write: .cancelBase, code: 200, message: "You don’t have a major subscription yet.",
            before: [(.cancelBase, Write.cancelBase.body)]),
        Case(
            write: .cancelBase, code: 200, message: "You should first cancel all additional subscriptions.",
            before: [(.subscribeAddon, Write.subscribeAddon.body)]),
        Case(write: .cancelBase, code: 2100, message: bundle, account: "plans-bundle"),
        Case(write: .cancelBase, code: 300, message: "Missing field: action.", body: "{}"),
        Case(write: .cancelBase, code: 300, message: #"Invalid parameter "action"."#, body: #"{"action":"x"}"#),
        Case(
            write: .cancelBase, code: 300, message: #"Invalid parameter "reason"."#,
            body: #"{"action":"cancel","reason":0}"#),
    ]

    static let cases: [Case] =
        general + ofBilling + ofInvalidPlans + missingFields + invalidPlaces + ofBundle + ofSubscribePlans
        + ofAdditionalPlans + ofBasePlans
}
