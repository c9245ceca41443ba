package import Logging
package import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// Reports when files may have changed: immediately through inotify(7), and at an interval for file systems without it, such
/// as network file systems.
///
/// It watches folders rather than files, since editors and secret mounts replace files instead of writing to them. Kubernetes
/// replaces a link two steps away (`tls.crt` -> `..data/tls.crt`, `..data` -> `..2026_11_23`), so the folder of each link in
/// the path is watched too. Of the real folders in the path, only the last is watched. The replacement of another one is
/// detected at the interval.
package struct FileWatch: Sendable {
    private let paths: [String]
    private let interval: TimeAmount
    private let eventLoop: any EventLoop
    private let logger: Logger

    /// Resolves links and adds watches, both of which can block on a network file system.
    private let queue = FileQueue()

    /// - Parameter interval: How often to report a possible change without an inotify event.
    package init(
        paths: [String], interval: TimeAmount = .seconds(60), eventLoop: any EventLoop, logger: Logger
    ) {
        self.paths = paths
        self.interval = interval
        self.eventLoop = eventLoop
        self.logger = logger
    }

    /// Calls `changed` whenever the files may have changed, until its task is cancelled.
    ///
    /// The first call is made when the watch is set up, since the files may have changed before. Calls do not overlap: changes
    /// during a call are reported by one further call.
    package func run(changed: () async -> Void) async {
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let timer = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in signal.yield() }
        defer { timer.cancel() }
        let inotify = await openInotify { signal.yield() }
        signal.yield()
        var isRefused = false
        await withTaskCancellationHandler {
            for await _ in signals {
                // For each signal, and before `changed` reads, since a link may have a new target.
                let refusal = await queue.run { [paths] in inotify?.watch(Self.folders(of: paths)) }
                if let reason = refusal ?? nil, !isRefused {
                    isRefused = true
                    logger.warning(
                        "cannot watch some folders with inotify: they are checked at an interval",
                        metadata: ["errno": "\(reason)", "every": "\(interval)"])
                }
                await changed()
            }
        } onCancel: {
            signal.finish()
        }
        await inotify?.close()
    }

    /// The bytes of a path, which need not be UTF-8.
    private typealias Path = [UInt8]
    private static let slash = UInt8(ascii: "/")
    private static let root: Path = [slash]

    /// The folders to watch: that of each file, and that of each link in its path. The results contain no links
    /// (path_resolution(7)).
    private static func folders(of paths: [String]) -> Set<Path> {
        var folders: Set<Path> = []
        for path in paths {
            var folder = root
            var names = names(absolute(SystemText.bytes(of: path)))
            // The kernel's limit.
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

    /// The components of a path, the last one first.
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

    /// `nil` if it is not a link.
    private static func target(ofLink path: Path) -> Path? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(cString(path), &target, target.count)
        return count > 0 ? target[..<count].map { UInt8(bitPattern: $0) } : nil
    }

    // MARK: inotify

    /// An inotify instance.
    private struct InotifyInstance {
        private static let arrivals = CInt(IN_CREATE | IN_MOVED_TO)
        private static let changes =
            arrivals | CInt(IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB | IN_MOVE_SELF)

        let descriptor: CInt
        let channel: any Channel

        /// Adds watches for the folders. Earlier watches remain.
        ///
        /// - Returns: `errno` if a folder cannot be watched.
        func watch(_ folders: Set<Path>) -> CInt? {
            folders.compactMap { watch($0) }.first
        }

        /// Watches a folder or, while it does not exist, the nearest existing folder above it for its creation.
        private func watch(_ folder: Path, for events: CInt = Self.changes) -> CInt? {
            guard let problem = add(folder, events) else { return nil }
            guard problem == ENOENT || problem == ENOTDIR, folder != FileWatch.root else { return problem }
            let problemAbove = watch(FileWatch.parent(of: folder), for: Self.arrivals)
            // The folder may have been created in between.
            _ = add(folder, events)
            return problemAbove
        }

        /// - Returns: `errno` if the call fails.
        private func add(_ folder: Path, _ events: CInt) -> CInt? {
            inotify_add_watch(descriptor, FileWatch.cString(folder), UInt32(events | CInt(IN_MASK_ADD))) >= 0
                ? nil : errno
        }

        func close() async {
            try? await channel.close()
        }
    }

    private func openInotify(_ onEvent: @escaping @Sendable () -> Void) async -> InotifyInstance? {
        let descriptor = inotify_init1(CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC))
        guard descriptor >= 0 else {
            logger.warning(
                "inotify is not available: files are checked at an interval",
                metadata: ["errno": "\(errno)", "every": "\(interval)"])
            return nil
        }
        do {
            // The channel owns the descriptor from here on. The content of the events does not matter.
            let channel = try await NIOPipeBootstrap(group: eventLoop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(InotifyEventHandler(onEvent))
                    }
                }
                .takingOwnershipOfDescriptor(input: descriptor).get()
            return InotifyInstance(descriptor: descriptor, channel: channel)
        } catch {
            Glibc.close(descriptor)
            logger.warning(
                "cannot read inotify events: files are checked at an interval",
                metadata: ["every": "\(interval)"])
            return nil
        }
    }
}

private final class InotifyEventHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let onEvent: @Sendable () -> Void

    init(_ onEvent: @escaping @Sendable () -> Void) {
        self.onEvent = onEvent
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        onEvent()
    }
}
