package import Domain

/// The Zoom plan of a master account. It determines the rate limits (Zoom: rate limits).
package enum ZoomPlan: String, Sendable, CaseIterable {
    case free
    case pro
    /// Business and all higher plans.
    case business

    /// The rate limits of all labels.
    ///
    /// - Parameter share: How much of each limit this service may use, above 0 to 1.
    package func rates(share: Double) -> [ZoomRateLabel: RateBudget.Rules] {
        Dictionary(uniqueKeysWithValues: ZoomRateLabel.allCases.map { ($0, rules(for: $0, share: share)) })
    }

    /// The rate limit of one label, which all programs of the account share.
    package func rules(for label: ZoomRateLabel, share: Double) -> RateBudget.Rules {
        switch (self, label) {
        case (.free, .light): .init(perSecond: 4, perDay: 6000, share: share)
        case (.free, .medium): .init(perSecond: 2, perDay: 2000, share: share)
        case (.free, .heavy): .init(perSecond: 1, perDay: 1000, share: share)
        case (.pro, .light): .init(perSecond: 30, share: share)
        case (.pro, .medium): .init(perSecond: 20, share: share)
        case (.pro, .heavy): .init(perSecond: 10, perDay: 30_000, share: share)
        case (.business, .light): .init(perSecond: 80, share: share)
        case (.business, .medium): .init(perSecond: 60, share: share)
        case (.business, .heavy): .init(perSecond: 40, perDay: 60_000, share: share)
        }
    }
}
