import Domain

/// The quotas that the replicas of one master account share.
struct SharedAccountQuotas: Sendable {
    let quotas: any SharedQuotas
    let master: AccountID

    /// - Returns: `nil` if the store does not answer.
    func reserve(_ subject: AccountQuotas.Subject) async -> SharedQuotaDecision? {
        await quotas.reserve(subject, under: master)
    }

    /// Does not wait for the store: the answer to the caller is ready.
    func end(_ reservation: SharedQuotaReservation, isCounted: Bool) {
        Task {
            if isCounted {
                await quotas.sent(reservation)
            } else {
                await quotas.giveBack(reservation)
            }
        }
    }
}
