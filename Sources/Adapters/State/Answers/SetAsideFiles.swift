import Domain
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// Answers files that could not be used, renamed to `NAME.set-aside-20260131T120000Z`.
///
/// They may have personal data, so only the newest are left, and for a limited time.
struct SetAsideFiles {
    /// The path of the answers file, without symbolic links.
    private let path: String

    static let countMax = 3

    /// How long a file is left. The retention time, if that is shorter.
    static let ageMax = Duration.seconds(7 * 86_400)

    private static let mark = ".set-aside-"

    init(of path: String) {
        self.path = path
    }

    /// Renames the answers file, and SQLite's other files of it. It must not be open.
    ///
    /// - Returns: The new path.
    func add(at now: Timestamp) throws(FileProblem) -> String {
        let name = name(at: now)
        var target = name
        var number = 1
        while access(SystemText.cString(of: target), F_OK) == 0 {
            number += 1
            target = "\(name)-\(number)"
        }
        for suffix in [""] + AnswersFile.otherFiles {
            let (old, new) = (SystemText.cString(of: path + suffix), SystemText.cString(of: target + suffix))
            guard rename(old, new) == 0 || (errno == ENOENT && !suffix.isEmpty) else {
                throw FileProblem(path: path + suffix, code: errno)
            }
        }
        return target
    }

    private func name(at time: Timestamp) -> String {
        path + Self.mark + time.rfc3339.replacing("-", with: "").replacing(":", with: "")
    }

    /// The paths of the files, the newest first.
    var paths: [String] {
        let folder = SystemText.parent(ofPath: path)
        let prefix = SystemText.lastComponent(ofPath: path) + Self.mark
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { name in
            name.hasPrefix(prefix) && !AnswersFile.otherFiles.contains { name.hasSuffix($0) }
        }.sorted(by: >).map { (folder == "/" ? "" : folder) + "/" + $0 }
    }

    /// Removes the files that exceed `countMax` or `ageMax`, the oldest first.
    ///
    /// - Parameter retention: How long answers may be stored.
    func removeExcess(at now: Timestamp, retention: Duration) {
        let ageMax = min(Self.ageMax, retention)
        let earliest = Timestamp(secondsSinceEpoch: now.secondsSinceEpoch - ageMax.components.seconds)
        let earliestName = name(at: earliest)
        for (index, path) in paths.enumerated() where index >= Self.countMax || path < earliestName { remove(path) }
    }

    func removeAll() {
        for path in paths { remove(path) }
    }

    private func remove(_ path: String) {
        for suffix in [""] + AnswersFile.otherFiles { unlink(SystemText.cString(of: path + suffix)) }
    }
}
