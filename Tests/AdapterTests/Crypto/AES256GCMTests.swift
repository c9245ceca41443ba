import Adapters
import Domain
import Testing

@Suite("AES-256-GCM")
struct AES256GCMTests {
    private static func bytes(_ hexadecimal: String) throws -> [UInt8] {
        let digits = Array(hexadecimal)
        return try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
        }
    }

    @Test("encryption and decryption match test case 16 of the GCM specification (McGrew and Viega)")
    func known() throws {
        let key = Secret(try Self.bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
        let nonce = try Self.bytes("cafebabefacedbaddecaf888")
        let header = try Self.bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        let message = try Self.bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
        let sealed = try Self.bytes(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" + "76fc6ece0f4e1768cddf8853bb2d551b")
        #expect(AES256GCM.seal(message, with: key, nonce: nonce, header: header) == sealed)
        #expect(AES256GCM.open(sealed[...], with: key, nonce: nonce, header: header) == message)
    }

    @Test("an empty message decrypts, and a truncated authentication tag fails")
    func cut() {
        let (key, nonce) = (Secret([UInt8](repeating: 1, count: 32)), [UInt8](repeating: 2, count: 12))
        let sealed = AES256GCM.seal([], with: key, nonce: nonce, header: [])
        #expect(sealed.count == 16)
        #expect(AES256GCM.open(sealed[...], with: key, nonce: nonce, header: []) == [])
        for length in 0..<16 {
            #expect(AES256GCM.open(sealed.prefix(length), with: key, nonce: nonce, header: []) == nil)
        }
    }
}
