import BillingService
import Testing

@Suite("What a terminal can show")
struct TerminalDisplayTests {
    @Test(
        "colours are used on a terminal, unless --color, NO_COLOR, CLICOLOR_FORCE or TERM decide otherwise",
        arguments: [
            (true, ColorChoice.auto, ["TERM": "xterm"], true), (false, .auto, ["TERM": "xterm"], false),
            (true, .auto, ["TERM": "dumb"], false), (true, .auto, ["TERM": ""], false), (true, .auto, [:], false),
            (true, .auto, ["TERM": "xterm", "NO_COLOR": "1"], false),
            (true, .auto, ["TERM": "xterm", "NO_COLOR": "0"], false),
            (true, .auto, ["TERM": "xterm", "NO_COLOR": ""], true),
            (false, .auto, ["CLICOLOR_FORCE": "1"], true), (false, .auto, ["CLICOLOR_FORCE": "0"], false),
            (true, .auto, ["TERM": "dumb", "CLICOLOR_FORCE": "1"], true),
            (false, .auto, ["CLICOLOR_FORCE": "1", "NO_COLOR": "1"], false),
            (false, .always, ["NO_COLOR": "1", "TERM": "dumb"], true),
            (true, .never, ["TERM": "xterm", "CLICOLOR_FORCE": "1"], false),
        ])
    func colors(isTerminal: Bool, choice: ColorChoice, environment: [String: String], expected: Bool) {
        let display = TerminalDisplay(1, isTerminal: isTerminal, choice, environment)
        #expect(display.hasColors == expected)
    }

    @Test(
        "text is redrawn in place only on a terminal that is not dumb, whatever --color says",
        arguments: [
            (true, "xterm", true), (true, "dumb", false), (true, "", false), (false, "xterm", false),
        ])
    func redrawing(isTerminal: Bool, terminal: String, expected: Bool) {
        for choice in ColorChoice.allCases {
            #expect(
                TerminalDisplay(1, isTerminal: isTerminal, choice, ["TERM": terminal]).canRedraw == expected)
        }
    }

    @Test("a progress bar has what fits into the line: long texts, short texts, and then only the first texts")
    func bar() {
        let parts: [ProgressBar.Part] = [
            .init("1200 of 50000 accounts", short: "1200/50000"),
            .init("waiting for Zoom's rate limit", short: "rate limit"), .init("20 min left"),
            .init("40 per second", short: "40/s"), .init("0 failures", short: "0 failed"),
        ]
        for (width, expected) in [
            (
                140,
                "[##########----------] 1200 of 50000 accounts, waiting for Zoom's rate limit, 20 min left, 40 per second, 0 failures"
            ),
            (80, "[#####-----] 1200/50000, rate limit, 20 min left, 40/s, 0 failed"),
            (60, "[#####-----] 1200/50000, rate limit, 20 min left, 40/s"), (40, "1200/50000, rate limit, 20 min left"),
            (20, "1200/50000, 40/s"), (8, "1200/5…"), (1, ""),
        ] {
            #expect(ProgressBar.line(parts, share: 0.5, width: width) == expected)
        }
    }
}
