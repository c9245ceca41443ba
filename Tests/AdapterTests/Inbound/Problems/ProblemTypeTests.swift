import Adapters
import Foundation
import Testing

@Suite("Problem types", .timeLimit(.minutes(10)))
struct ProblemTypeTests {
    private static func file(_ path: String) throws -> String {
        try String(contentsOf: TestProcess.root.appending(path: path), encoding: .utf8)
    }

    @Test("docs/errors.md is the output of billing-service errors, with a section for each problem type")
    func page() async throws {
        let printed = await TestProcess.run(TestProcess.billingService, ["errors"])
        let page = try Self.file("docs/errors.md")
        #expect(printed.status == 0)
        #expect(printed.output == page, "run: billing-service errors > docs/errors.md")
        let sections = page.matches(of: /\n### ([a-z-]+)\n/).map { String($0.output.1) }
        #expect(Set(sections) == Set(ProblemType.allCases.map(\.rawValue)))
        #expect(sections.count == ProblemType.allCases.count)
        #expect(page.split(separator: "\n").allSatisfy { $0.count <= 120 || $0.hasPrefix("|") })
    }

    @Test("the table of openapi.yaml has each problem type, with its status and code")
    func contract() throws {
        let contract = try Self.file("openapi.yaml")
        let row = /\n    \| (\d+) +\| (\d+|any) +\| \[`([a-z-]+)`\]\(\/v2\/errors#\3\) \| [^|]+ \|/
        let rows = contract.matches(of: row).map { "\($0.output.3) \($0.output.1) \($0.output.2)" }
        let types = ProblemType.allCases.map { type in
            let problem = type.explanation
            return "\(type.rawValue) \(problem.status) \(problem.codeText == "Zoom's" ? "any" : problem.codeText)"
        }
        #expect(rows.sorted() == types.sorted())
    }

    @Test("each problem that openapi.yaml shows has a type of the table, with its title and status")
    func examples() throws {
        let examples = try Self.file("openapi.yaml")
            .matches(of: /\n *type: (\/v2\/errors#[a-z-]+)\n *title: (.+)\n *status: (\d+)\n/)
        #expect(examples.count > 60)
        for example in examples {
            let problem = try #require(ProblemType(reference: String(example.output.1)), "\(example.output.1)")
                .explanation
            #expect(problem.title == example.output.2)
            #expect("\(problem.status)" == example.output.3)
        }
    }

    @Test("a reference is relative to the address of the request; an absolute one has the same type")
    func references() {
        #expect(ProblemType.selfPay.reference == "/v2/errors#self-pay")
        for type in ProblemType.allCases {
            #expect(ProblemType(reference: type.reference) == type)
            #expect(ProblemType(reference: "https://billing.example" + type.reference) == type)
        }
        for other in ["about:blank", "/v2/errors", "/v2/errors#", "/v2/errors#new-kind", "self-pay"] {
            #expect(ProblemType(reference: other) == nil)
        }
    }

    @Test("each of Zoom's codes that a problem has is explained")
    func codes() {
        let codes = ProblemReference.codes.map(\.code)
        #expect(codes == Set(ProblemType.allCases.compactMap(\.explanation.code.value)).sorted())
    }

    @Test("the sentences about a problem have at most 25 words", arguments: ProblemType.allCases)
    func sentences(type: ProblemType) {
        let problem = type.explanation
        for text in [problem.meaning, problem.action] {
            #expect(text.hasSuffix("."))
            for sentence in text.split(separator: ". ") {
                #expect(sentence.split(separator: " ").count <= 25, "\(sentence)")
            }
        }
    }
}
