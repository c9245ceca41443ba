package import Domain

/// Zoom's plan of the master account, which decides how much it may ask (Zoom: rate limits).
package enum ZoomPlan: String, Sendable, CaseIterable {
    case free
    case pro
    /// Business, and all above it.
    case business

    /// Those of all classes of operations.
    package func rates(share: Double) -> [ZoomRateLabel: RateBudget.Rules] {
        Dictionary(uniqueKeysWithValues: ZoomRateLabel.allCases.map { ($0, rules(for: $0, share: share)) })
    }

    /// What all programs of the account together may ask of one class of operations, and how much of that is ours.
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
