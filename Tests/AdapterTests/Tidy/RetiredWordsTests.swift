import Foundation
import Testing

@Suite("Tidiness: retired words")
struct RetiredWordsTests {
    /// Phrases that the glossary replaced, in lower case, with the term to use. Add a phrase when its last use is gone.
    private static let phrases: [(phrase: String, instead: String)] = [
        ("aging", "refreshAhead, or say how old"),
        ("allowance", "quota, rate or burst"),
        ("anybody", "name the subject"),
        ("are asked", "say what is sent to whom"),
        ("are told", "say what is reported to whom"),
        ("as they are now cannot be used", "cannot reload"),
        ("ask again", "retry"),
        ("asks again", "retries"),
        ("atonce", "burst"),
        ("be asked", "say what is sent to whom"),
        ("be told", "say what is reported to whom"),
        ("cachedemand", "CacheDirectives"),
        ("callerproof", "CallerCredential"),
        ("caution", "AIMDThrottle"),
        ("comes to", "name the action"),
        ("flights", "RequestCoalescer"),
        ("for ever", "forever, or without a limit"),
        ("goes on", "continues, stays open, or resumes"),
        ("going on", "checkpoint or resume"),
        ("growing distances", "back-off"),
        ("hear of", "say what is reported to whom"),
        ("hears", "receives"),
        ("hears of", "say what is reported to whom"),
        ("hurried", "name the behaviour"),
        ("is asked", "say what is sent to whom"),
        ("is let come", "is received and discarded"),
        ("is no matter", "is irrelevant"),
        ("is told", "say what is reported to whom"),
        ("isleftalone", "isCircuitOpen"),
        ("it is that", "name the subject"),
        ("keptanswer", "CachedResponse"),
        ("leave alone", "ignore, or do not change"),
        ("leaves alone", "ignores, or does not change"),
        ("left alone", "circuit open, ignored, or unchanged"),
        ("let come", "received and discarded"),
        ("let go of", "release or close"),
        ("lets go", "releases, closes or evicts"),
        ("made up", "invented, forged or fuzzed"),
        ("patience", "queue timeout"),
        ("patient", "long timeout"),
        ("puts up with", "accepts"),
        ("ratebucket", "TokenBucket"),
        ("rategate", "RateLimiter"),
        ("sharedsecond", "SlidingWindowEstimator"),
        ("so many", "a number, a count or a fraction"),
        ("somebody", "name the subject: the caller, the client, the waiter"),
        ("stands in", "is used instead, or is cached"),
        ("tell of", "report"),
        ("tells of", "reports"),
        ("the one who", "name the subject"),
        ("those who", "name the subject"),
        ("told apart", "distinguished"),
        ("told from", "distinguished from"),
        ("told of", "reported"),
        ("traceplace", "TraceContext"),
        ("urgency", "priority"),
        ("useless", "expired"),
        ("wants it", "requires"),
        ("was asked", "say what was sent to whom"),
        ("what is none", "invalid"),
        ("who asks", "the caller"),
        ("whoever", "name the subject: the caller, the client, the connection"),
        ("whomever", "name the subject"),
        ("without a word", "without a response"),
    ]

    private struct Text {
        /// Relative to the top of the checkout.
        let path: String
        let lines: [Substring]
    }

    /// A file, or the sources and pages of a folder. This file is left out, because it lists the phrases.
    private static func texts(of path: String) throws -> [Text] {
        let top = TestProcess.root.appending(path: path).path(percentEncoded: false)
        var paths = [path]
        if !path.hasSuffix(".md") {
            paths = try FileManager.default.subpathsOfDirectory(atPath: top).sorted().map { path + "/" + $0 }
        }
        return try paths.filter { path in
            [".swift", ".md", ".h"].contains { path.hasSuffix($0) } && !path.hasSuffix("/RetiredWordsTests.swift")
        }.map { path in
            let text = try String(contentsOf: TestProcess.root.appending(path: path), encoding: .utf8)
            return Text(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    /// The words of a line in lower case. An identifier is one word.
    private static func words(of line: Substring) -> [String] {
        line.utf8.split { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
                false
            default: true
            }
        }.map { Substring($0).lowercased() }
    }

    @Test("no text uses a phrase that the glossary replaced", arguments: ["Sources", "Tests", "docs", "README.md"])
    func retiredPhrases(path: String) throws {
        let retired = Dictionary(
            grouping: Self.phrases.map { (words: $0.phrase.split(separator: " ").map(String.init), $0.instead) }
        ) { $0.words[0] }
        for text in try Self.texts(of: path) {
            for (index, line) in text.lines.enumerated() {
                let words = Self.words(of: line)
                for start in words.indices {
                    for (phrase, instead) in retired[words[start]] ?? [] where words[start...].starts(with: phrase) {
                        Issue.record("\(text.path):\(index + 1): \"\(phrase.joined(separator: " "))\": \(instead)")
                    }
                }
            }
        }
    }
}
