import FoundationEssentials
package import Logging
package import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Tells when files may have changed: at once where the system tells (inotify), and every so often where it does not, as
/// with file systems on a network.
///
/// Folders are watched rather than files: editors and secret mounts do not write into a file, they put another in its
/// place. Kubernetes does so two links away (`tls.crt` -> `..data/tls.crt`, `..data` -> `..2026_11_23`), so the folder of
/// every link on the way is watched too.
package struct FileWatch: Sendable {
    private let paths: [String]
    private let interval: TimeAmount
    private let eventLoop: any EventLoop
    private let logger: Logger

    /// - Parameter interval: How often to look where the system says nothing.
    package init(
        paths: [String], interval: TimeAmount = .seconds(60), eventLoop: any EventLoop, logger: Logger
    ) {
        self.paths = paths
        self.interval = interval
        self.eventLoop = eventLoop
        self.logger = logger
    }

    /// Calls `changed` once when it has begun to watch, since something may have happened before, and each time something
    /// may be different, one call at a time, until its task is cancelled. What happens while a call is under way is told
    /// by one more.
    package func run(changed: () async -> Void) async {
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let timer = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in signal.yield() }
        defer { timer.cancel() }
        let notices = await openNotices { signal.yield() }
        signal.yield()
        await withTaskCancellationHandler {
            for await _ in signals {
                // Anew each time, and first: what is put in place from here on is seen.
                notices?.watch(folders)
                await changed()
            }
        } onCancel: {
            signal.finish()
        }
        await notices?.close()
    }

    /// The folders in which something may be put in the place of what our paths lead to.
    private var folders: Set<String> {
        var folders: Set<String> = []
        for path in paths {
            var next = Self.absolute(path)
            // As many links as the system itself would follow.
            for _ in 0..<40 {
                var folder = Self.parent(of: next)
                folders.insert(folder)
                // A folder on the way may itself be a link, as `..data` is.
                while folder != "/" {
                    if let target = Self.target(ofLink: folder) {
                        folders.insert(Self.parent(of: folder))
                        folders.insert(target)
                    }
                    folder = Self.parent(of: folder)
                }
                guard let target = Self.target(ofLink: next) else { break }
                next = target
            }
        }
        return folders
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    private static func target(ofLink path: String) -> String? {
        guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { return nil }
        return target.hasPrefix("/") ? target : parent(of: path) + "/" + target
    }

    // MARK: The system's notices

    /// One queue of the system's notices.
    private struct Notices {
        let descriptor: CInt
        let channel: any Channel

        /// Folders that are watched already stay so.
        func watch(_ folders: Set<String>) {
            let mask = UInt32(IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB)
            // One that is not there is waited for by looking every so often.
            for folder in folders { inotify_add_watch(descriptor, folder, mask) }
        }

        func close() async {
            try? await channel.close()
        }
    }

    private func openNotices(_ noticed: @escaping @Sendable () -> Void) async -> Notices? {
        let descriptor = inotify_init1(CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC))
        guard descriptor >= 0 else {
            logger.warning(
                "the system gives no notice of changed files: they are looked at every so often",
                metadata: ["errno": "\(errno)", "every": "\(interval)"])
            return nil
        }
        do {
            // The channel owns the descriptor from here on. What the notices say does not matter, only that they come.
            let channel = try await NIOPipeBootstrap(group: eventLoop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(NoticeHandler(noticed))
                    }
                }
                .takingOwnershipOfDescriptor(input: descriptor).get()
            return Notices(descriptor: descriptor, channel: channel)
        } catch {
            Glibc.close(descriptor)
            logger.warning(
                "the system's notices of changed files cannot be read: they are looked at every so often",
                metadata: ["every": "\(interval)"])
            return nil
        }
    }
}

private final class NoticeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let noticed: @Sendable () -> Void

    init(_ noticed: @escaping @Sendable () -> Void) {
        self.noticed = noticed
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        noticed()
    }
}
