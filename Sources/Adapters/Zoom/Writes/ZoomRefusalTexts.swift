import Domain

/// The texts with which Zoom refuses writes (Zoom: the pages of the operations). A text in braces stands for a value.
///
/// Only these texts are passed on to callers. Any other text may contain data of another tenant.
enum ZoomRefusalTexts {
    /// The documented form of Zoom's text with its values; `nil` for a text that is not documented.
    static func documented(_ text: String, for operation: Operation) -> String? {
        let folded = fold(text)
        for pattern in common + of(operation) {
            if let text = match(folded, pattern) { return text }
        }
        return nil
    }

    /// Both apostrophes occur in Zoom's texts, for the same text even. Zoom ends some texts with two dots or none.
    private static func fold(_ text: String) -> String {
        var folded = text.replacing("\u{2019}", with: "'").trimmed
        while folded.hasSuffix(".") { folded = folded.dropLast() }
        return String(folded)
    }

    /// - Returns: The pattern with the values of `text` in place of its braces.
    private static func match(_ text: String, _ pattern: String) -> String? {
        let literals = fold(pattern).split(omittingEmptySubsequences: false) { $0 == "{" || $0 == "}" }
        // Literals alternate with the names of values.
        var rest = text[...]
        var values: [Substring] = []
        for (index, part) in literals.enumerated() {
            guard index.isMultiple(of: 2) else { continue }
            if index == 0 {
                guard rest.lowercased().hasPrefix(part.lowercased()) else { return nil }
                rest = rest.dropFirst(part.count)
                continue
            }
            if part.isEmpty, index == literals.count - 1 {
                values.append(rest)
                rest = ""
            } else {
                guard let range = rest.firstRange(of: part) else { return nil }
                values.append(rest[..<range.lowerBound])
                rest = rest[range.upperBound...]
            }
        }
        guard rest.isEmpty, values.allSatisfy(isShowable) else { return nil }
        var documented = ""
        var remaining = values[...]
        for (index, part) in literals.enumerated() {
            documented += index.isMultiple(of: 2) ? part : remaining.popFirst() ?? ""
        }
        return documented + (pattern.hasSuffix(".") ? "." : "")
    }

    /// Values are plan codes, identifiers, field names and numbers. A value with other characters may be personal.
    private static func isShowable(_ value: Substring) -> Bool {
        value.utf8.count <= 64
            && value.utf8.allSatisfy { byte in
                byte.isASCIILetterOrDigit || [UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains(byte)
            }
    }

    // MARK: Texts

    private static let common = [
        "User does not exist.",
        "User does not exist: {userId}.",
        "Cannot find Zuora subscription for account:{subAccountId}.",
        "Cannot find a billing account for this: {accountId}.",
        "Cannot find a billing contact for this: {accountId}.",
        "No permission.",
        "Only available for paid account.",
        "Request Body should be a valid JSON object.",
        "Validation Failed.",
        "Missing field: {field}.",
        "Invalid parameter \"{field}\"",
        "Invalid parameter: {field}",
    ]

    private static func of(_ operation: Operation) -> [String] {
        switch operation {
        case .updateBillingInformation: contact + ["Please subscribe a plan for this sub account first."]
        case .subscribePlans: contact + plans + subscription
        case .subscribeAdditionalPlan: plans + addition + subscription
        case .updateAdditionalPlan: plans + addition + update
        case .updateBasePlan: plans + update
        case .cancelAdditionalPlans, .cancelBasePlan: plans + cancellation
        case .getBillingInformation, .listBillingInvoices, .getInvoiceDetails, .downloadInvoiceFile,
            .getPlanInformation, .getPlanUsage, .listSubAccounts, .getSubAccountDetails:
            []
        }
    }

    private static let contact = [
        "Invalid country parameter: {country}.",
        "Invalid state parameter: {state}.",
    ]

    private static let plans = [
        "Master accounts with bulk licenses cannot provision, update, or cancel plans for sub accounts using APIs, please "
            + "use the billing portal or contact Support.",
        "Free trial and VIP accounts can not cancel plans of a sub account. Contact the Zoom Support team for details.",
        "Free trial and VIP accounts can't update sub plans.",
        "Free trial and VIP account can't update sub plan.",
        "You cannot make cancellation requests for a bundle plan. Contact the Zoom Support team for details.",
        "Cannot makes updates when account is subscribed to a bundle plan.",
        "Account can't buy this plan.",
        "Account can't buy this product.",
        "Cannot update Additional plan for a sub account under free plan.",
    ]

    private static let subscription = [
        "One zuora account only can have one active billing subscription.",
        "Can't subscribe {participants} pro plan for this sub-account.",
        "In order to take advantage of your account's special pricing, please add Pro host licenses instead and they will be "
            + "assigned to your Zoom Rooms automatically.",
        "Buy hosts must equal or larger than {hosts}.",
        "Buy hosts must equal or smaller than {hosts}.",
        "Active hosts must be equal or larger than buy hosts.",
        "Buy hosts/active hosts must be equal or larger than {hosts}.",
        "This bundle plan doesn't support active host.",
        "Invalid free trial end date time.",
        "Invalid free trial start/end time.",
        "Too long trial duration.",
        "Invalid field: plan_bundle",
        "Can't subscribe to base plan and bundle plan at the same time.",
        "Cannot enable free trial again for sub account.",
        "You cannot add a sub account because your master account owner prevented you from adding one.",
        "Cannot add plan for Sub account which is not free plan.",
        "Error getting bundle.",
        "Cannot process account.",
        "Invalid host number.",
        "Account doesn't have the permission to purchase this plan.",
        "There was a conflict in processing this request. Zoom Room plan {planCode} is already included in the bundle plan.",
        "There was a conflict in processing this request. Room Connector plan {planCode} is already included in the bundle "
            + "plan.",
        "There was a conflict in processing this request. Large meeting plan {planCode} is already included in the bundle "
            + "plan.",
        "There was a conflict in processing this request. Webinar plan {planCode} is already included in the bundle plan.",
        "Recording plan {planCode} conflict with bundle plan.",
        "Invalid Cloud Recording Plan: {planCode}",
        "Audio conferencing plan {planCode} conflict with bundle plan.",
        "Invalid Audio Conferencing Plan: {planCode}",
        "At least one option from among the Toll-free, Premium and Call-out must be provided.",
        "Failed to add zuora plans",
        "Invalid Base Plan: {subAccountId}",
    ]

    private static let addition = [
        "Additional Zoom Rooms plan cannot be added to a sub account that already has a Zoom Rooms base plan.",
        "This sub account already has the additional plan: {planCode}.",
        "Can not subscribe/update additional Audio Conferencing Pay As You Go Plan for a sub account whose base plan is not "
            + "Business/Education plan.",
        "Invalid Additional Plan Type: {planCode}.",
        "Must subscribe to a major plan first.",
    ]

    private static let update = [
        "You don't have subscription for ({planCode}) yet.",
        "Plan types do not match, oldPlanType: {oldPlanType} newPlanType: {newPlanType}.",
        "Invalid plan type.",
        "Failed to change sub plan of account:{accountId}.",
        "The \"Webinar100\" plan is not supported. You cannot increase hosts for the \"{planCode}\" plan.",
        "You do not have a subscription yet.",
        "Insufficient number of hosts for business plan type.",
        "Insufficient number of hosts for education plan type.",
        "This account is not under a free trial plan.",
        "The account currently has {count} paid users, you should change the user type to basic and reduce the number of "
            + "paid users before performing this action.",
    ]

    private static let cancellation = [
        "You cannot cancel plan for a sub account that is under a free plan.",
        "Cannot cancel plan for a sub account which is under free plan.",
        "You cannot perform this action because you do not have a Zoom Phone subscription for this account.",
        "You don't have a plan subscription for ({planCode}) yet.",
        "You don't have a major subscription yet.",
        "You should first cancel all additional subscriptions.",
        "Plan type is required.",
    ]
}
