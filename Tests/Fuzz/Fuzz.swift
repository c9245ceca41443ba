import Foundation

#if canImport(Glibc)
    import Glibc
#endif

#if FUZZING
    /// Has no `main`, because libFuzzer has its own.
    enum Fuzz {
        /// Safe because it is written once, before the first input, on the only thread.
        nonisolated(unsafe) fileprivate static var target = FuzzTarget.connection
    }

    /// Reads the name of the target, which precedes libFuzzer's own arguments.
    @_cdecl("LLVMFuzzerInitialize")
    public func initialize(
        _ count: UnsafeMutablePointer<CInt>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
    ) -> CInt {
        guard count.pointee > 1, let name = arguments.pointee[1],
            let target = FuzzTarget(rawValue: String(cString: name))
        else { fail("which target? \(FuzzTarget.names)") }
        Fuzz.target = target
        arguments.pointee[1] = arguments.pointee[0]
        arguments.pointee += 1
        count.pointee -= 1
        return 0
    }

    @_cdecl("LLVMFuzzerTestOneInput")
    public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        Fuzz.target.run(Array(UnsafeBufferPointer(start: start, count: count)))
        return 0
    }
#else
    /// Runs the corpus of all targets, the corpus of one target, or the named files.
    ///
    ///     Fuzz [--mutations COUNT] [TARGET [FILE...]]
    ///
    /// `--mutations`: the number of mutated copies of each file to run too. The same copies in each run.
    @main
    enum Fuzz {
        static func main() throws {
            var arguments = Array(CommandLine.arguments.dropFirst())
            var mutations = 0
            if arguments.first == "--mutations" {
                guard arguments.count > 1, let count = Int(arguments[1]), count >= 0 else {
                    fail("how many mutations?")
                }
                mutations = count
                arguments.removeFirst(2)
            }
            guard let name = arguments.first else {
                for target in FuzzTarget.allCases { try run(target, seeds(of: target), mutations) }
                return
            }
            guard let target = FuzzTarget(rawValue: name) else {
                fail("no target \(name); there are \(FuzzTarget.names)")
            }
            let files = arguments.dropFirst().map { URL(filePath: $0) }
            try run(target, files.isEmpty ? seeds(of: target) : files, mutations)
        }

        private static func seeds(of target: FuzzTarget) throws -> [URL] {
            let folder = URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "Corpus").appending(path: target.rawValue)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))
            return names.sorted().map { folder.appending(path: $0) }
        }

        private static func run(_ target: FuzzTarget, _ files: [URL], _ mutations: Int) throws {
            for file in files {
                let seed = Array(try Data(contentsOf: file))
                var mutator = Mutator(seed: 1)
                for number in 0...mutations {
                    // Printed before the run, because a trap does not show its input.
                    print(target.rawValue, file.lastPathComponent, number)
                    fflush(nil)
                    target.run(number == 0 ? seed : mutator.mutate(seed))
                }
            }
        }
    }
#endif

private func fail(_ text: String) -> Never {
    try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
    exit(64)
}
