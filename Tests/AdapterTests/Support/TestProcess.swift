import DomainFakes
import Foundation
import Subprocess
import Synchronization
import SystemPackage
import Testing

/// A program run in a process, as a user would run it.
final class TestProcess: Sendable {
    struct Outcome: Sendable {
        let status: Int32
        let output: String
        let errors: String

        var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    private struct State {
        var output = Data()
        var errors = Data()
        var processID: Int32?
        /// Signals sent before the program had started.
        var signalsEarly: [Int32] = []
        var status: Int32?
        var watchers: [Watcher] = []
        var outcomeWaits: [PendingWait<Outcome>] = []

        var isOver: Bool { status != nil }
        var outcome: Outcome {
            Outcome(
                status: status ?? -1, output: String(decoding: output, as: UTF8.self),
                errors: String(decoding: errors, as: UTF8.self))
        }
    }

    private struct Watcher {
        let text: String
        let times: Int
        let isError: Bool
        let wait: PendingWait<Bool>

        func sees(_ state: State) -> Bool {
            let all = String(decoding: isError ? state.errors : state.output, as: UTF8.self)
            return all.ranges(of: text).count >= times
        }
    }

    private let state = Mutex(State())
    /// The command, for messages.
    private let name: String

    /// The path of the product under test, which is in the folder of the test runner.
    static let billingService = product("billing-service")

    static func product(_ name: String) -> String {
        URL(filePath: ProcessInfo.processInfo.arguments[0]).deletingLastPathComponent().appending(path: name).path(
            percentEncoded: false)
    }

    /// The top of the checkout.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// - Parameters:
    ///   - program: A path, or a name to be found in `PATH`.
    ///   - environment: Variables added to the environment of the tests.
    ///   - input: The text of standard input.
    init(_ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = "") {
        // The command and its subcommands, without long arguments such as scripts.
        name = ([program] + arguments.prefix(2).filter { $0.utf8.count < 30 }).joined(separator: " ")
        var added: [Environment.Key: String?] = [:]
        for (name, value) in environment { added[Environment.Key(stringLiteral: name)] = value }
        // A separate session and process group, so that a cancelled test can kill the program and its children.
        var options = PlatformOptions()
        options.createSession = true
        let configuration = Configuration(
            executable: program.contains("/") ? .path(FilePath(program)) : .name(program),
            arguments: Arguments(arguments),
            environment: .inherit.updating(added), workingDirectory: FilePath(Self.root.path(percentEncoded: false)),
            platformOptions: options)
        // This task ends when the program does; every test waits for that.
        Task {
            do {
                let standardInput = try Self.descriptor(of: input)
                let result = try await Subprocess.run(
                    configuration, input: .fileDescriptor(standardInput, closeAfterSpawningProcess: true),
                    output: .sequence, error: .sequence
                ) { execution in
                    self.started(execution.processIdentifier.value)
                    async let output: Void = self.collect(execution.standardOutput, isOutput: true)
                    async let errors: Void = self.collect(execution.standardError, isOutput: false)
                    _ = try await (output, errors)
                }
                self.change { state in
                    switch result.terminationStatus {
                    case .exited(let code): state.status = code
                    case .signaled(let signal): state.status = 128 + signal
                    }
                }
            } catch {
                self.change { state in
                    state.errors.append(contentsOf: "could not be run: \(error)".utf8)
                    state.status = -1
                }
            }
        }
    }

    /// A descriptor from which `text` can be read: a pipe, or a file if the text does not fit into a pipe.
    ///
    /// The text is written before the program starts. Subprocess would write it afterwards, and traps if the program ends
    /// before it reads its input (swift-subprocess 1.0.2).
    private static func descriptor(of text: String) throws -> FileDescriptor {
        guard text.utf8.count <= 65_536 else {
            let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
            let file = try FileDescriptor.open(
                FilePath(path.path(percentEncoded: false)), .readWrite,
                options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
            try FileManager.default.removeItem(at: path)
            try file.writeAll(text.utf8)
            try file.seek(offset: 0, from: .start)
            return file
        }
        // Subprocess closes both ends in the programs that it starts.
        let (readEnd, writeEnd) = try FileDescriptor.pipe()
        _ = try writeEnd.closeAfter { try writeEnd.writeAll(text.utf8) }
        return readEnd
    }

    private func started(_ processID: Int32) {
        change { $0.processID = processID }
        for signal in state.withLock({ $0.signalsEarly }) { kill(processID, signal) }
    }

    private func collect(_ sequence: SubprocessOutputSequence, isOutput: Bool) async throws {
        for try await buffer in sequence {
            let data = buffer.withUnsafeBytes { Data($0) }
            change { state in
                if isOutput { state.output.append(data) } else { state.errors.append(data) }
            }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let (seen, over, outcome) = state.withLock { state in
            body(&state)
            let isOver = state.isOver
            let seen = state.watchers.map { ($0, $0.sees(state)) }.filter { isOver || $0.1 }
                .map { ($0.0.wait, $0.1) }
            let current = state
            state.watchers.removeAll { isOver || $0.sees(current) }
            let over = isOver ? state.outcomeWaits : []
            if isOver { state.outcomeWaits = [] }
            return (seen, over, state.outcome)
        }
        for (wait, isThere) in seen { wait.resume(returning: isThere) }
        for wait in over { wait.resume(returning: outcome) }
    }

    /// Waits until standard output contains `text`, and returns the output so far.
    func output(containing text: String, file: String = #fileID, line: Int = #line) async throws -> String {
        try await outcome(containing: text, times: 1, isError: false, file, line).output
    }

    /// Waits until standard error contains `text` that often, and returns the errors so far.
    @discardableResult
    func errors(
        containing text: String, times: Int = 1, file: String = #fileID, line: Int = #line
    ) async throws -> String {
        try await outcome(containing: text, times: times, isError: true, file, line).errors
    }

    /// The number of times standard error contains `text` so far.
    func count(of text: String) -> Int {
        state.withLock { $0.outcome.errors.ranges(of: text).count }
    }

    /// Waits until standard output contains `text`.
    ///
    /// - Returns: False if the process has ended without it.
    func prints(_ text: String, file: String = #fileID, line: Int = #line) async throws -> Bool {
        try await prints(text, times: 1, isError: false, file, line)
    }

    private func prints(
        _ text: String, times: Int, isError: Bool, _ file: String, _ line: Int
    ) async throws -> Bool {
        let stream = isError ? "errors" : "output"
        return try await wait(for: "\(name) to print \(text) (\(stream))", file: file, line: line) {
            (pending: PendingWait<Bool>) in
            state.withLock {
                $0.watchers.append(Watcher(text: text, times: times, isError: isError, wait: pending))
            }
            change { _ in }
        }
    }

    private func outcome(
        containing text: String, times: Int, isError: Bool, _ file: String, _ line: Int
    ) async throws -> Outcome {
        let isThere = try await prints(text, times: times, isError: isError, file, line)
        let outcome = state.withLock { $0.outcome }
        try #require(isThere, "\(name) ended with \(outcome.status) and printed \(outcome.errors)")
        return outcome
    }

    /// The process identifier; nil until the program has started.
    var processID: Int32? { state.withLock { $0.processID } }

    func signal(_ signal: Int32) {
        let processID = state.withLock { state in
            if state.processID == nil { state.signalsEarly.append(signal) }
            return state.isOver ? nil : state.processID
        }
        if let processID { kill(processID, signal) }
    }

    private func killGroup() {
        signal(SIGKILL)
        if let processID { kill(-processID, SIGKILL) }
    }

    /// Waits until the program ends. If the waiting task is cancelled, the program and its children are killed.
    func outcome(file: String = #fileID, line: Int = #line) async -> Outcome {
        let ended = try? await wait(for: "the end of \(name)", file: file, line: line) {
            (pending: PendingWait<Outcome>) in
            state.withLock { $0.outcomeWaits.append(pending) }
            change { _ in }
        }
        if let ended { return ended }
        killGroup()
        return await Task { await outcome(file: file, line: line) }.value
    }

    /// Anonymous memory, in KiB (proc(5), `status`).
    func memory() throws -> Int { try status("RssAnon") }

    /// The peak resident memory since `resetPeakMemory`, in KiB (`VmHWM`).
    func peakMemory() throws -> Int { try status("VmHWM") }

    /// The current resident memory, in KiB (`VmRSS`).
    func wholeMemory() throws -> Int { try status("VmRSS") }

    func resetPeakMemory() throws {
        let id = try #require(processID)
        try Data("5".utf8).write(to: URL(filePath: "/proc/\(id)/clear_refs"))
    }

    private func status(_ name: String) throws -> Int {
        let id = try #require(processID)
        let text = try String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + ":") })
        return try #require(Int(line.split(separator: " ").dropLast().last ?? ""))
    }

    static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = "",
        file: String = #fileID, line: Int = #line
    ) async -> Outcome {
        await TestProcess(program, arguments, environment: environment, input: input).outcome(file: file, line: line)
    }
}

/// The digest of a token for a callers file, made with the command in the README.
func tokenDigest(_ token: String) async -> String {
    await TestProcess.run("sh", ["-c", "printf %s \(token) | sha256sum | cut -d' ' -f1"]).lines[0]
}

/// A `billing-service serve --sandbox` process started for one test.
struct RunningService {
    let process: TestProcess
    let base: String
    /// The base URL of the listener for probes.
    let ops: String
    let token: String
    /// The example `curl` commands that the service prints.
    let curls: [String]

    var authorization: String { "authorization: Bearer \(token)" }
    var port: Int { base.split(separator: ":").last.flatMap { Int($0) } ?? 0 }

    /// An account that the master pays for.
    var accountPath: String { curls.first?.firstMatch(of: /\/v2\/accounts\/\S+/).map { String($0.output) } ?? "" }

    static func with(
        _ arguments: [String] = [], environment: [String: String] = [:], expectedStatus: Int32 = 0,
        _ test: (RunningService) async throws -> Void
    ) async throws {
        let process = TestProcess(
            TestProcess.billingService,
            ["serve", "--sandbox", "--http-port", "0", "--ops-port", "0"] + arguments, environment: environment)
        let output = try await process.output(containing: "/v2/billing/stream\n")
        let curls = output.split(separator: "\n").map(String.init).filter { $0.hasPrefix("curl ") }
        let base = try #require(output.firstMatch(of: /Listening on (https?:\/\/[0-9.]+:[0-9]+)/)).output.1
        let ops = try #require(output.firstMatch(of: /Operations on (http:\/\/[0-9.]+:[0-9]+)/)).output.1
        let token = try #require(output.firstMatch(of: /Bearer ([^']+)'/)).output.1
        let result: Result<Void, any Error>
        do {
            try await test(
                RunningService(
                    process: process, base: String(base), ops: String(ops), token: String(token), curls: curls))
            result = .success(())
        } catch {
            result = .failure(error)
        }
        process.signal(SIGTERM)
        let outcome = await process.outcome()
        try result.get()
        #expect(outcome.status == expectedStatus, "\(outcome.errors)")
    }

    /// A `curl` process that reads the stream of all accounts.
    func reader(_ version: String = "--http2-prior-knowledge") -> TestProcess {
        TestProcess(
            "curl", ["--silent", "--no-buffer", version, "-H", authorization, base + "/v2/billing/stream"])
    }

    func curl(_ path: String, _ options: String...) async -> TestProcess.Outcome {
        await TestProcess.run(
            "curl",
            ["--silent", "--show-error", "--http2-prior-knowledge", "-H", authorization] + options + [base + path])
    }
}
