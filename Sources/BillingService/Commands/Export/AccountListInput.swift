import Adapters
import Domain
import NIOPosix

/// A list of account ids in a file: one id per line, or NDJSON with `account_id`.
enum AccountListInput {
    /// Enough for ten million account ids.
    private static let bytesMax = 256 << 20

    struct Problem: Error, CustomStringConvertible {
        let line: Int

        var description: String { "line \(line) contains no account id" }
    }

    /// Reads the file on a thread that may block, since a pipe may be slow.
    ///
    /// - Parameter path: A path for `InputFile`.
    /// - Throws: `CommandFailure`, which names the flag.
    static func read(_ path: String) async throws -> [AccountID] {
        try await NIOThreadPool.singleton.runIfActive {
            do {
                return try parse(try InputFile.read(path, bytesMax: bytesMax))
            } catch {
                throw CommandFailure("--accounts-from: \(error)")
            }
        }
    }

    /// Lines end with LF, CR LF or CR. Spaces around an id and empty lines are ignored.
    static func parse(_ bytes: [UInt8]) throws(Problem) -> [AccountID] {
        let text = utf8(bytes)
        var accounts: [AccountID] = []
        var number = 1
        var start = text.startIndex
        while start < text.endIndex {
            let end = text[start...].firstIndex { $0 == 0x0A || $0 == 0x0D } ?? text.endIndex
            if let account = try account(in: text[start..<end], number: number) { accounts.append(account) }
            guard end < text.endIndex else { break }
            let isPair = text[end] == 0x0D && end + 1 < text.endIndex && text[end + 1] == 0x0A
            start = end + (isPair ? 2 : 1)
            number += 1
        }
        return accounts
    }

    private static func account(in line: ArraySlice<UInt8>, number: Int) throws(Problem) -> AccountID? {
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        var line = line.drop(while: isBlank)
        while let last = line.last, isBlank(last) { line.removeLast() }
        guard let first = line.first else { return nil }
        var account: AccountID?
        if first == UInt8(ascii: "{") {
            let object = (try? JSONValue(parsing: Array(line)))?.object
            account = object?["account_id"]?.string.flatMap { AccountID($0) }
        } else {
            account = AccountID(line)
        }
        guard let account else { throw Problem(line: number) }
        return account
    }

    /// Removes a byte order mark, and converts UTF-16, as written by Windows PowerShell, to UTF-8.
    private static func utf8(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return bytes[3...] }
        let isLittleEndian = bytes.starts(with: [0xFF, 0xFE])
        guard isLittleEndian || bytes.starts(with: [0xFE, 0xFF]) else { return bytes[...] }
        let units = stride(from: 2, to: bytes.count - 1, by: 2).map { index in
            let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            return isLittleEndian ? second << 8 | first : first << 8 | second
        }
        return Array(String(decoding: units, as: UTF16.self).utf8)[...]
    }
}
