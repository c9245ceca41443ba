import Adapters

/// Text of commands that users copy to a shell.
enum ShellText {
    /// The words as one command line. Quoted so that a shell such as Bash or Zsh reads the same words.
    static func command(_ words: [String]) -> String {
        words.map(quoted).joined(separator: " ")
    }

    private static func quoted(_ word: String) -> String {
        let isPlain = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            case _: "_-./:=@,+%".utf8.contains(byte)
            }
        }
        if !word.isEmpty, word.utf8.allSatisfy(isPlain) { return word }
        guard TerminalText.escaped(word) != word else {
            return "'" + word.replacing("'", with: #"'\''"#) + "'"
        }
        // Control characters, which would act on the terminal.
        return "$'" + word.unicodeScalars.map(ansiQuoted).joined() + "'"
    }

    /// A character in the notation of ANSI-C quoting (`$'…'`).
    private static func ansiQuoted(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "'": #"\'"#
        case "\\": #"\\"#
        case _ where TerminalText.escaped(String(scalar)) != String(scalar):
            SystemText.bytes(of: String(scalar)).map { byte in
                let digits = String(byte, radix: 16)
                return #"\x"# + (digits.utf8.count < 2 ? "0" : "") + digits
            }.joined()
        case _: String(scalar)
        }
    }
}
