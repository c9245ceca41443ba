import FoundationEssentials
import Glibc

/// What the system knows of this process (proc(5)).
package struct ProcessStatistics: Sendable {
    package let cpuSeconds: Double
    package let residentBytes: Int
    package let virtualBytes: Int
    package let openFiles: Int
    package let openFilesMax: Int
    package let threads: Int

    /// Since 1970.
    package let startSeconds: Double

    /// `nil` where there is no such file system.
    package static func now() -> ProcessStatistics? {
        // The name in the second field may hold anything; what comes behind its last parenthesis does not.
        guard let stat = text(at: "/proc/self/stat"), let end = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 21 else { return nil }
        // The first of these is the third of the page.
        func field(_ number: Int) -> Double { Double(fields[number - 3]) ?? 0 }
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let pageBytes = Int(max(1, sysconf(Int32(_SC_PAGESIZE))))
        // Of the system as a whole there may be nothing to be read: systemd's ProcSubset=pid.
        var sinceBoot = timespec()
        clock_gettime(CLOCK_BOOTTIME, &sinceBoot)
        let age = Double(sinceBoot.tv_sec) + Double(sinceBoot.tv_nsec) / 1e9 - field(22) / ticks
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        return ProcessStatistics(
            cpuSeconds: (field(14) + field(15)) / ticks, residentBytes: Int(field(24)) * pageBytes,
            virtualBytes: Int(field(23)), openFiles: files,
            openFilesMax: Int(clamping: limit.rlim_cur),
            threads: Int(field(20)),
            startSeconds: Date.now.timeIntervalSince1970 - age)
    }

    /// Of the resident memory, what is no part of a file; 0 where there is no such file system.
    static var anonymousBytes: Int {
        let pages = text(at: "/proc/self/statm")?.split(separator: " ").compactMap { Int($0) } ?? []
        return pages.count > 2 ? (pages[1] - pages[2]) * Int(max(1, sysconf(Int32(_SC_PAGESIZE)))) : 0
    }

    private static func text(at path: String) -> String? {
        (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension MetricSamples {
    package mutating func add(_ process: ProcessStatistics) {
        add(.processCPU, process.cpuSeconds)
        add(.processResidentMemory, process.residentBytes)
        add(.processVirtualMemory, process.virtualBytes)
        add(.processOpenFiles, process.openFiles)
        add(.processFilesMax, process.openFilesMax)
        add(.processThreads, process.threads)
        add(.processStart, process.startSeconds)
    }
}
