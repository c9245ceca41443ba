package import Domain

/// The requests within the quotas of operations, in Redis.
package struct RedisSharedQuotas: SharedQuotas {
    /// A request does not wait longer for Redis.
    private static let reserveTime = Duration.milliseconds(200)
    private static let endTime = Duration.seconds(1)

    /// The reservation of a replica that was killed ends after this time.
    private static let openTime = Duration.seconds(300)

    private let client: RedisClient

    package init(_ client: RedisClient) {
        self.client = client
    }

    package func reserve(_ subject: AccountQuotas.Subject, under master: AccountID) async -> SharedQuotaDecision? {
        guard let quota = subject.operation.rules.quota else { return nil }
        let owner = RandomToken.make()
        let reply = await run(
            QuotaScripts.reserve, subject, master, quota, owner, last: Self.text(Self.openTime),
            within: Self.reserveTime)
        guard let numbers = reply?.elements, numbers.count == 2, let wait = numbers[0].integer,
            let day = numbers[1].integer
        else { return nil }
        guard wait <= 0 else { return .refused(wait: .milliseconds(wait)) }
        return .granted(SharedQuotaReservation(subject, master: master, owner: owner, day: day))
    }

    package func sent(_ reservation: SharedQuotaReservation) async { await end(reservation, QuotaScripts.sent) }

    package func giveBack(_ reservation: SharedQuotaReservation) async {
        await end(reservation, QuotaScripts.giveBack)
    }

    private func end(_ reservation: SharedQuotaReservation, _ script: RedisScript) async {
        guard let quota = reservation.subject.operation.rules.quota else { return }
        _ = await run(
            script, reservation.subject, reservation.master, quota, reservation.owner,
            last: Array("\(reservation.day)".utf8), within: Self.endTime)
    }

    private func run(
        _ script: RedisScript, _ subject: AccountQuotas.Subject, _ master: AccountID, _ quota: AccountQuota,
        _ owner: String, last: [UInt8], within limit: Duration
    ) async -> RedisValue? {
        // Without an account, only the interval of the invoice is known.
        let perDay = subject.account == nil ? 0 : quota.perDay
        return try? await client.run(
            script, keys: keys(subject, master, quota),
            arguments: [Array(owner.utf8), Self.text(quota.interval), Array("\(perDay)".utf8), last], within: limit)
    }

    private func keys(_ subject: AccountQuotas.Subject, _ master: AccountID, _ quota: AccountQuota) -> [[UInt8]] {
        let isOfInvoice = quota.intervalIsPer == .invoice || subject.account == nil
        let invoice = (isOfInvoice ? subject.invoice?.rawValue : nil) ?? ""
        let tag = "{\(master):\(subject.operation.code)\(subject.account?.rawValue ?? invoice)}"
        return [
            client.configuration.key("quota", tag, "interval", invoice), client.configuration.key("quota", tag, "day"),
        ]
    }

    private static func text(_ duration: Duration) -> [UInt8] { Array("\(Int64(duration / .milliseconds(1)))".utf8) }
}
