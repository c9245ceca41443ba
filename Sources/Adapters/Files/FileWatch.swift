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
/// every link on the way is watched too. Of folders that are no links, only the last is: another in the place of one
/// further up is found by looking every so often.
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
        var isRefused = false
        await withTaskCancellationHandler {
            for await _ in signals {
                // Anew each time, and first: what is put in place from here on is seen.
                if let reason = notices?.watch(folders), !isRefused {
                    isRefused = true
                    logger.warning(
                        "the system gives no notice of changes in some folders: they are looked at every so often",
                        metadata: ["errno": "\(reason)", "every": "\(interval)"])
                }
                await changed()
            }
        } onCancel: {
            signal.finish()
        }
        await notices?.close()
    }

    /// The folders in which something may be put in the place of what our paths lead to: where the file is, and where each
    /// link on the way is. The paths of the folders have no links in them (path_resolution(7)).
    private var folders: Set<String> {
        var folders: Set<String> = []
        for path in paths {
            var folder = "/"
            var names = Self.names(Self.absolute(path))
            // As many as the system itself would follow.
            var linksLeft = 40
            while let name = names.popLast() {
                let next = Self.path(of: name, in: folder)
                if name == ".." {
                    folder = Self.parent(of: folder)
                } else if linksLeft > 0, let target = try? FileManager.default.destinationOfSymbolicLink(atPath: next) {
                    linksLeft -= 1
                    folders.insert(folder)
                    if target.hasPrefix("/") { folder = "/" }
                    names += Self.names(target)
                } else if names.isEmpty {
                    folders.insert(folder)
                } else {
                    folder = next
                }
            }
        }
        return folders
    }

    /// The last comes first.
    private static func names(_ path: String) -> [String] {
        path.split(separator: "/").filter { $0 != "." }.map(String.init).reversed()
    }

    private static func path(of name: String, in folder: String) -> String {
        folder == "/" ? "/" + name : folder + "/" + name
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    // MARK: The system's notices

    /// One queue of the system's notices.
    private struct Notices {
        private static let arrivals = CInt(IN_CREATE | IN_MOVED_TO)
        private static let changes =
            arrivals | CInt(IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB | IN_MOVE_SELF)

        let descriptor: CInt
        let channel: any Channel

        /// Folders that are watched already stay so.
        ///
        /// - Returns: `errno` if the system refuses to tell of one.
        func watch(_ folders: Set<String>) -> CInt? {
            folders.compactMap { watch($0) }.first
        }

        /// Watches a folder or, while it is not there, the nearest one above it for it to come.
        private func watch(_ folder: String, for events: CInt = Self.changes) -> CInt? {
            guard let problem = add(folder, events) else { return nil }
            guard problem == ENOENT || problem == ENOTDIR, folder != "/" else { return problem }
            let problemAbove = watch(FileWatch.parent(of: folder), for: Self.arrivals)
            // It may have come in between.
            _ = add(folder, events)
            return problemAbove
        }

        /// - Returns: `errno`, if there is something wrong.
        private func add(_ folder: String, _ events: CInt) -> CInt? {
            inotify_add_watch(descriptor, folder, UInt32(events | CInt(IN_MASK_ADD))) >= 0 ? nil : errno
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
