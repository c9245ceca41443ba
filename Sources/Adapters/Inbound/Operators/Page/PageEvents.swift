package import Domain
import NIOCore
import Synchronization

/// Sends the changed sections of the operator's page as server-sent events (HTML Living Standard, 9.2), once a second.
package final class PageEvents: Sendable {
    private let page: OperatorPage
    private let time: any TimeSource
    private let hasEnded = Atomic(false)

    package init(_ page: OperatorPage, time: any TimeSource) {
        self.page = page
        self.time = time
    }

    /// Ends all streams of events within a second, so that they do not delay the shutdown of their listener.
    package func end() { hasEnded.store(true, ordering: .relaxed) }

    /// Sends events until the reader goes away or the listener shuts down. A slow reader gets fewer events.
    func send(to body: BodyWriter) async -> StreamEnding {
        // The reader's script has a message for the end, and connects again after two seconds.
        var event = ByteBuffer(string: "retry: 2000\n\n")
        var sent: [String: String] = [:]
        while !hasEnded.load(ordering: .relaxed) {
            let changed = page.sections.all.filter { sent["\($0.id)"] != $0.html }
            for section in changed { sent["\(section.id)"] = section.html }
            event.writeStaticString("data: ")
            event.writeJSONObject { object in
                object.member("time", time.timestamp.clock)
                object.member("sections") { buffer in
                    buffer.writeJSONObject { object in
                        for section in changed { object.member(section.id, section.html) }
                    }
                }
            }
            event.writeStaticString("\n\n")
            guard (try? await body.write(event)) != nil,
                (try? await time.sleep(until: time.now + OperatorPage.interval)) != nil
            else { return .broken }
            event.clear()
        }
        return .complete
    }
}
