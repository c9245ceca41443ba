import Adapters
import DomainFakes
import Testing

@Suite("Header fields")
struct HeaderFieldsTests {
    @Test(
        "fields are stored and returned in order, with any bytes as values", arguments: [UInt64.random(in: 0 ... .max)])
    func roundTrip(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let names: [FieldName] = [.accept, .authorization, .path, .requestID, .status]
        for _ in 0..<500 {
            var fields = HeaderFields()
            var expected: [([UInt8], [UInt8])] = []
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let name = names.randomElement(using: &random) ?? .accept
                let value = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                fields.append(name, value)
                expected.append((name.bytes, value))
            }
            var found: [([UInt8], [UInt8])] = []
            fields.forEach { found.append((Array($0), Array($1))) }
            #expect(found.elementsEqual(expected, by: ==), "seed \(seed)")
            #expect(fields.count == expected.count)
            for name in names {
                #expect(fields[name].map(Array.init) == expected.first { $0.0 == name.bytes }?.1, "seed \(seed)")
            }
        }
    }

    @Test(
        "a number is written in decimal digits",
        arguments: [
            (0, "0"), (9, "9"), (10, "10"), (40_000_000, "40000000"), (.max, "9223372036854775807"), (-5, "-5"),
        ])
    func numbers(value: Int, text: String) {
        var fields = HeaderFields()
        fields.append(.age, value)
        #expect(fields.string(.age) == text)
    }

    @Test("appending to a copy does not change the prepared fields")
    func prepared() {
        let prepared = HeaderFields([(.status, "200")])
        var fields = HeaderFields(prepared, reservingBytes: 10)
        fields.append(.contentLength, 5)
        #expect(fields.string(.status) == "200" && fields.string(.contentLength) == "5")
        #expect(prepared.count == 1 && prepared[.contentLength] == nil)
    }
}
