/// What a plan is for. Zoom names the kind by the member that contains the plan.
package enum PlanKind: Sendable, Hashable {
    case known(Known)
    /// A kind that Zoom added later, by the name of its member.
    case other(String)

    /// The kinds that this service knows. The raw values are Zoom's names of the members.
    package enum Known: String, Sendable, CaseIterable {
        case base = "plan_base"
        /// A base plan that includes others (Zoom United).
        case united = "plan_united"
        /// Zoom's messages use this name for a bundle. No request may contain it.
        case bundle = "plan_bundle"
        case zoomRooms = "plan_zoom_rooms"
        case roomConnector = "plan_room_connector"
        case largeMeeting = "plan_large_meeting"
        case webinar = "plan_webinar"
        case zoomEvents = "plan_zoom_events"
        case zoomOne = "plan_zoom_one"
        case zoomOnePremier = "plan_zoom_one_premier"
        case zoomOneEducationPremier = "plan_zoom_one_edu_premier"
        case zoomOneEducationCampusPlus = "plan_zoom_one_edu_school_campus_plus"
        case zoomOneEducationStudent = "plan_zoom_one_edu_student"
        case recording = "plan_recording"
        case audio = "plan_audio"
        case phone = "plan_phone"
        case contactCenter = "plan_zcc"
        case whiteboard = "plan_whiteboard"
        case whiteboardPlus = "plan_whiteboard_plus"
        case revenueAccelerator = "plan_zoom_iq"
        case translation = "plan_ztransl"
        case workspaceReservation = "plan_zwr"
        case virtualAgent = "plan_zva"
        case virtualAgentVoice = "plan_zva_voice"
        case virtualAgentChat = "plan_zva_chat"
        case nodeBase = "plan_znode_base"
        case phoneHybrid = "plan_zphybrid"
        case meetingsHybrid = "plan_zmhybrid"
        case meetingConnectorHybrid = "plan_mchybrid"
        case recordingConnectorHybrid = "plan_rchybrid"
        case cloudRecordingHybrid = "plan_cmrhybrid"
        case teamChatHybrid = "plan_tchybrid"
        case scheduler = "plan_zsched"
        case workforceManagement = "plan_workforce_management"
        case visitorManagement = "plan_visitor_management"
        case partnerPremierSupport = "plan_partner_premier_support"
        case clipsPlus = "plan_zoom_clips_plus"
        case expertAssist = "plan_ai_expert_assist"
        case videoManagement = "plan_zoom_video_management"
        /// The recording plan in Zoom's answers to a subscription, beside `plan_recording`.
        case cloudRecording = "plan_cloud_recording"
    }

    package init(member: String) {
        self = Known(rawValue: member).map(PlanKind.known) ?? .other(member)
    }

    /// Zoom's name of the member.
    package var member: String {
        switch self {
        case .known(let kind): kind.rawValue
        case .other(let member): member
        }
    }
}

extension PlanKind.Known {
    /// What a plan is to the account.
    enum Role: Sendable {
        /// The account has at most one. Without it there are no additional plans.
        case base
        case additional
    }

    var role: Role {
        switch self {
        case .base, .united, .bundle, .zoomOne, .zoomOnePremier, .zoomOneEducationPremier, .zoomOneEducationCampusPlus,
            .zoomOneEducationStudent:
            .base
        case .zoomRooms, .roomConnector, .largeMeeting, .webinar, .zoomEvents, .recording, .audio, .phone,
            .contactCenter,
            .whiteboard, .whiteboardPlus, .revenueAccelerator, .translation, .workspaceReservation, .virtualAgent,
            .virtualAgentVoice, .virtualAgentChat, .nodeBase, .phoneHybrid, .meetingsHybrid, .meetingConnectorHybrid,
            .recordingConnectorHybrid, .cloudRecordingHybrid, .teamChatHybrid, .scheduler, .workforceManagement,
            .visitorManagement, .partnerPremierSupport, .clipsPlus, .expertAssist, .videoManagement, .cloudRecording:
            .additional
        }
    }

    /// Whether the account has this plan instead of a base plan. Zoom neither changes nor cancels bundles by request.
    var isBundle: Bool { self == .united || self == .bundle }

    /// The form of the member in a subscription (Zoom: Subscribe plans).
    package enum Form: Sendable {
        /// A plan.
        case plan
        /// A list of plans.
        case plans
        /// Either, since Zoom changed the form between releases or documents none.
        case planOrPlans
        /// A code only.
        case code
        case audio
        case phone
        case contactCenter
        /// No subscription may contain it, for this reason.
        case refused(String)
    }

    package var form: Form {
        switch self {
        case .base, .united: .plan
        case .bundle: .refused("Zoom does not accept bundles here.")
        case .largeMeeting, .webinar, .zoomEvents, .zoomOne: .plans
        case .recording: .code
        case .audio: .audio
        case .phone: .phone
        case .contactCenter: .contactCenter
        case .cloudRecording: .refused("Use plan_recording with the code of the plan.")
        case .zoomRooms, .roomConnector, .zoomOnePremier, .zoomOneEducationPremier, .zoomOneEducationCampusPlus,
            .zoomOneEducationStudent, .whiteboard, .whiteboardPlus, .revenueAccelerator, .translation,
            .workspaceReservation, .virtualAgent, .virtualAgentVoice, .virtualAgentChat, .nodeBase, .phoneHybrid,
            .meetingsHybrid, .meetingConnectorHybrid, .recordingConnectorHybrid, .cloudRecordingHybrid, .teamChatHybrid,
            .scheduler, .workforceManagement, .visitorManagement, .partnerPremierSupport, .clipsPlus, .expertAssist,
            .videoManagement:
            .planOrPlans
        }
    }
}
