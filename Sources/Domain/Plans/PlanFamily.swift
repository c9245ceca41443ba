/// The codes that differ only in size and term, such as those of webinar plans (Zoom: Plans).
package enum PlanFamily: Sendable, Hashable, CaseIterable {
    case trial
    case pro
    case business
    case education
    case united
    case zoomRooms
    case roomConnector
    case largeMeeting
    case webinar
    case zoomEvents
    case recording
    /// Calls at a price for each minute.
    case payAsYouGoAudio
    case committedAudio
    case phone
    case whiteboard
    case revenueAccelerator
    case workspaceReservation
    case scheduler
    case meetingsHybrid
    case clipsPlus

    /// The form of the codes.
    private enum Form {
        /// One code without a term.
        case fixed(String)
        /// A name and a term.
        case named(String)
        /// A name, one of the sizes, and a term.
        case sized(String, Set<Int>)
        /// A name that ends with one of the sizes, without a term.
        case sizedWithoutTerm(String, Set<Int>)
    }

    private var form: Form {
        switch self {
        case .trial: .fixed("trial")
        // The short terms have no name: `monthly`, `yearly`.
        case .pro: .named("pro")
        case .business: .named("business")
        case .education: .sizedWithoutTerm("edu", [20])
        case .united: .named("pro_zpp")
        case .zoomRooms: .named("zroom")
        case .roomConnector: .named("roomconnector")
        case .largeMeeting: .sized("large", [100, 200, 300, 500, 1000])
        case .webinar: .sized("webinar", [100, 500, 1000, 3000, 5000, 10_000])
        case .zoomEvents: .sized("zoomevents", [100, 500, 1000, 3000, 5000, 10_000])
        case .recording: .sizedWithoutTerm("cmr_monthly_commitment_", [40, 100, 500])
        case .payAsYouGoAudio: .fixed("tollfree_payongo")
        case .committedAudio: .sizedWithoutTerm("tollfree_monthly_commitment_", [100, 500])
        case .phone: .fixed("zobp_usca_monthly_unlimited")
        case .whiteboard: .named("zwb")
        case .revenueAccelerator: .named("ziq_sales")
        case .workspaceReservation: .named("zwr")
        case .scheduler: .named("zsched")
        case .meetingsHybrid: .named("zm_hybrid")
        case .clipsPlus: .named("zm_clips_plus")
        }
    }

    /// The kinds of plans that can have such a code. Rooms are a base plan or an additional one.
    var kinds: [PlanKind.Known] {
        switch self {
        case .trial, .pro, .business, .education: [.base]
        case .united: [.united, .bundle]
        case .zoomRooms: [.zoomRooms, .base]
        case .roomConnector: [.roomConnector]
        case .largeMeeting: [.largeMeeting]
        case .webinar: [.webinar]
        case .zoomEvents: [.zoomEvents]
        case .recording: [.recording, .cloudRecording]
        case .payAsYouGoAudio, .committedAudio: [.audio]
        case .phone: [.phone]
        case .whiteboard: [.whiteboard]
        case .revenueAccelerator: [.revenueAccelerator]
        case .workspaceReservation: [.workspaceReservation]
        case .scheduler: [.scheduler]
        case .meetingsHybrid: [.meetingsHybrid]
        case .clipsPlus: [.clipsPlus]
        }
    }

    /// The kind of an additional plan with such a code; `nil` if no additional plan has one.
    var additionalKind: PlanKind.Known? {
        kinds.first { $0.role == .additional }
    }

    /// The permitted number of hosts of a base plan; `nil` if Zoom documents none (Zoom: error texts of 2018 to 2021).
    var baseHosts: ClosedRange<Int>? {
        switch self {
        case .trial: 1...9999
        case .pro: 1...9
        case .business: 10...49
        case .education: 20...149
        case .united, .zoomRooms, .roomConnector, .largeMeeting, .webinar, .zoomEvents, .recording, .payAsYouGoAudio,
            .committedAudio, .phone, .whiteboard, .revenueAccelerator, .workspaceReservation, .scheduler,
            .meetingsHybrid, .clipsPlus:
            nil
        }
    }

    var hasTerm: Bool {
        switch form {
        case .fixed, .sizedWithoutTerm: false
        case .named, .sized: true
        }
    }

    var sizes: Set<Int> {
        switch form {
        case .fixed, .named: []
        case .sized(_, let sizes), .sizedWithoutTerm(_, let sizes): sizes
        }
    }

    // MARK: Lookup

    static let ofFixedCode = families { form in
        if case .fixed(let code) = form { code } else { nil }
    }

    static let ofStem = families { form in
        if case .named(let stem) = form { stem } else { nil }
    }

    static let ofSizedStem = families { form in
        switch form {
        case .sized(let stem, _), .sizedWithoutTerm(let stem, _): stem
        case .fixed, .named: nil
        }
    }

    private static func families(by name: (Form) -> String?) -> [String: PlanFamily] {
        var families: [String: PlanFamily] = [:]
        for family in allCases {
            if let name = name(family.form) { families[name] = family }
        }
        return families
    }

    /// The kinds of plans whose codes this service knows.
    static let kindsWithCodes = Set(allCases.filter { $0 != .phone }.flatMap(\.kinds))
}
