import Adapters
import Testing

@Suite("HTTP/2 connection state")
struct HTTP2ConnectionStateTests {
    @Test("a server drains in two steps and accepts streams until the second")
    func server() {
        var state = HTTP2ConnectionState(drainsInTwoSteps: true)
        #expect(state.drain() == .sendNotice && state.acceptsStreams)
        #expect(state.noticeAnswered() == .sendGoAway && !state.acceptsStreams)
        #expect(state.sessionEnded() == .close && state.isClosed)
    }

    @Test("a client drains in one step")
    func client() {
        var state = HTTP2ConnectionState(drainsInTwoSteps: false)
        #expect(state.drain() == .sendGoAway && !state.acceptsStreams)
        #expect(state.sessionEnded() == .close)
    }

    @Test("each action happens at most once, in any order of events")
    func once() {
        typealias Event = (inout HTTP2ConnectionState) -> HTTP2ConnectionState.Action
        let events: [Event] = [{ $0.drain() }, { $0.noticeAnswered() }, { $0.sessionEnded() }]
        // Every sequence of five events.
        for number in 0..<243 {
            var state = HTTP2ConnectionState(drainsInTwoSteps: true)
            var actions: [HTTP2ConnectionState.Action] = []
            var rest = number
            for _ in 0..<5 {
                let wasClosed = state.isClosed
                let action = events[rest % 3](&state)
                if wasClosed { #expect(action == .none) }
                actions.append(action)
                rest /= 3
            }
            for action in [HTTP2ConnectionState.Action.sendNotice, .sendGoAway, .close] {
                #expect(actions.count { $0 == action } <= 1)
            }
        }
    }
}
