import FoundationEssentials
import Glibc

/// Resource usage of this process (proc(5)).
package struct ProcessStatistics: Sendable {
    package let cpuSeconds: Double
    package let residentBytes: Int
    package let virtualBytes: Int
    package let openFiles: Int
    package let openFilesMax: Int
    package let threads: Int

    /// Start time in seconds since the Unix epoch.
    package let startSeconds: Double

    /// `nil` if there is no `/proc`.
    package static func now() -> ProcessStatistics? {
        // The second field, the program's name in parentheses, may contain spaces and parentheses.
        guard let stat = text(at: "/proc/self/stat"), let end = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 21 else { return nil }
        // Field numbers are those of proc(5). `fields` begins with the third.
        func field(_ number: Int) -> Double { Double(fields[number - 3]) ?? 0 }
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let pageBytes = Int(max(1, sysconf(Int32(_SC_PAGESIZE))))
        // Not from /proc/stat, which systemd's ProcSubset=pid hides.
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

    /// Resident memory that is not part of a mapped file; 0 if there is no `/proc`.
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
