package import Logging
package import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Tells when files may have changed: at once by the system's notices (inotify), and at an interval for file systems that
/// give none, as those on a network.
///
/// Folders are watched rather than files: editors and secret mounts do not write into a file, they replace it. Kubernetes
/// does so two links away (`tls.crt` -> `..data/tls.crt`, `..data` -> `..2026_11_23`), so the folder of each link on the
/// way is watched too. Of the real folders on the way only the last is watched: the replacement of another one is found
/// at the interval.
package struct FileWatch: Sendable {
    private let paths: [String]
    private let interval: TimeAmount
    private let eventLoop: any EventLoop
    private let logger: Logger

    /// Links are followed and folders watched here: on a network file system both can block.
    private let queue = FileQueue()

    /// - Parameter interval: How often to look where the system gives no notices.
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
                // Each time again, and before `changed` reads: a link may lead elsewhere by now.
                let refusal = await queue.run { [paths] in notices?.watch(Self.folders(of: paths)) }
                if let reason = refusal ?? nil, !isRefused {
                    isRefused = true
                    logger.warning(
                        "the system gives no notice of changes in some folders: they are checked at an interval",
                        metadata: ["errno": "\(reason)", "every": "\(interval)"])
                }
                await changed()
            }
        } onCancel: {
            signal.finish()
        }
        await notices?.close()
    }

    /// A path as the system takes it: bytes that need not be UTF-8.
    private typealias Path = [UInt8]
    private static let slash = UInt8(ascii: "/")
    private static let root: Path = [slash]

    /// The folders in which a file or link can be replaced so that our paths lead elsewhere: that of the file, and that of
    /// each link on the way. Their own paths have no links in them (path_resolution(7)).
    private static func folders(of paths: [String]) -> Set<Path> {
        var folders: Set<Path> = []
        for path in paths {
            var folder = root
            var names = names(absolute(SystemText.bytes(of: path)))
            // As many as the system itself follows.
            var linksLeft = 40
            while let name = names.popLast() {
                let next = self.path(of: name, in: folder)
                if name == Array("..".utf8) {
                    folder = parent(of: folder)
                } else if linksLeft > 0, let target = target(ofLink: next) {
                    linksLeft -= 1
                    folders.insert(folder)
                    if target.first == slash { folder = root }
                    names += self.names(target)
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
    private static func names(_ path: Path) -> [Path] {
        path.split(separator: slash).filter { $0 != [UInt8(ascii: ".")] }.map(Array.init).reversed()
    }

    private static func path(of name: Path, in folder: Path) -> Path {
        folder == root ? root + name : folder + root + name
    }

    private static func absolute(_ path: Path) -> Path {
        if path.first == slash { return path }
        guard let folder = getcwd(nil, 0) else { return root + path }
        defer { free(folder) }
        return SystemText.bytes(of: SystemText.text { folder[$0] }) + root + path
    }

    private static func parent(of path: Path) -> Path {
        guard let last = path.lastIndex(of: slash), last != path.startIndex else { return root }
        return Array(path[..<last])
    }

    private static func cString(_ path: Path) -> [CChar] { path.map { CChar(bitPattern: $0) } + [0] }

    /// `nil` for what is no link.
    private static func target(ofLink path: Path) -> Path? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(cString(path), &target, target.count)
        return count > 0 ? target[..<count].map { UInt8(bitPattern: $0) } : nil
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
        func watch(_ folders: Set<Path>) -> CInt? {
            folders.compactMap { watch($0) }.first
        }

        /// Watches a folder or, while it is not there, the nearest one above it for it to come.
        private func watch(_ folder: Path, for events: CInt = Self.changes) -> CInt? {
            guard let problem = add(folder, events) else { return nil }
            guard problem == ENOENT || problem == ENOTDIR, folder != FileWatch.root else { return problem }
            let problemAbove = watch(FileWatch.parent(of: folder), for: Self.arrivals)
            // It may have come in between.
            _ = add(folder, events)
            return problemAbove
        }

        /// - Returns: `errno`, if there is something wrong.
        private func add(_ folder: Path, _ events: CInt) -> CInt? {
            inotify_add_watch(descriptor, FileWatch.cString(folder), UInt32(events | CInt(IN_MASK_ADD))) >= 0
                ? nil : errno
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
