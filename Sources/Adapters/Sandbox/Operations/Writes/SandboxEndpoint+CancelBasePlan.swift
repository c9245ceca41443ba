extension SandboxEndpoint {
    /// Cancels the base plan at the end of its paid term (Zoom: Cancel a base plan).
    static let cancelBasePlan = SandboxEndpoint(
        title: "Cancel a base plan", method: .patch, paths: ["/v2/accounts/{accountId}/plans/base/status"],
        access: .accessToken(anyOf: ["billing:master", "billing:update:cancel_plan:master"], label: .heavy),
        behaviour: .write(
            SandboxChange(
                unknownAccount: "This account does not exist or does not belong to this master account."
            ) { account, body throws(SandboxRefusal) in
                try account.refuseUnknownUser()
                try account.refuseBulkLicenses()
                try account.refuseSelfPay("This sub account is paid by self.")
                try account.refuseCancellationOfTrialOrVIP()
                guard !account.plans.isFree else {
                    throw .slot(200, "Cannot cancel plan for a sub account which is under free plan.")
                }
                guard account.plans.bundle == nil else { throw SandboxAccountDraft.bundleCancellation }
                try body.checkCancellation(requiresAction: true)
                guard account.plans.base?.isActive == true else {
                    throw .slot(200, "You don’t have a major subscription yet.")
                }
                guard !account.plans.additional.contains(where: { $0.value.plans.contains(where: \.isActive) }) else {
                    throw .slot(200, "You should first cancel all additional subscriptions.")
                }
                let draft = account
                account.changePlans(in: [SandboxPlans.base]) { draft.cancelled($0) }
                return HTTPResponse(status: 204)
            }))
}
