import FoundationEssentials

/// The sub accounts of the sandbox. Each is computed from its number, so that a million accounts need no memory.
///
/// An id is 16 bytes in base64url, like Zoom's ids: the account's number, mixed so that the ids are not in order, and a
/// checksum, so that an invented id is recognized as unknown.
package struct SandboxAccounts: Sendable {
    package let count: Int
    private let seed: UInt64

    package init(count: Int, seed: UInt64) {
        self.count = count
        self.seed = seed
    }

    /// The number of the master account, which is not one of the sub accounts. It is above the largest `count`, and it is
    /// an account of no kind.
    static let master = 1 << 24 - 1

    package func kind(of number: Int) -> SandboxAccountKind? {
        SandboxAccountKind.allCases.first { $0.remainder == number % 100 }
    }

    package func isSelfPay(_ number: Int) -> Bool { kind(of: number) == .selfPay }

    func isFree(_ number: Int) -> Bool {
        switch kind(of: number) {
        case .free, .freeWithSuccessStatus: true
        case .missingMembers, .nullMembers, .additionalMembers, .selfPay, .quotedStatus, .large, .longAmounts,
            .unsafeFileName, nil:
            false
        }
    }

    /// The day on which the account was created, which precedes all of its invoices.
    func created(_ number: Int) -> SandboxDate {
        SandboxDate(year: 2016 + number % 4, month: 2, day: 1)
    }

    /// Accounts at equal distances of their numbers.
    struct Selection {
        let first: Int
        let step: Int
        let count: Int

        func number(at position: Int) -> Int { first + position * step }
    }

    /// The accounts that a reseller sold; all for `nil`. The resellers `reseller-1` to `reseller-5` sold one account in ten
    /// each.
    func selection(reseller: String?) -> Selection {
        guard let reseller else { return Selection(first: 0, step: 1, count: count) }
        guard let first = (1...5).first(where: { "reseller-\($0)" == reseller }) else {
            return Selection(first: 0, step: 1, count: 0)
        }
        return Selection(first: first, step: 10, count: (max(count - first, 0) + 9) / 10)
    }

    package func id(of number: Int) -> String {
        let mixed = Self.mix(UInt64(number) ^ seed)
        let bits = UInt128(mixed) << 64 | UInt128(checksum(of: mixed))
        // 21 digits of 6 bits, and the last 2 bits. `Data` takes several times as long, and lists have a million ids.
        return String(
            decoding: (0..<22).map { position in
                let digit = position < 21 ? bits >> UInt128(122 - 6 * position) : bits << 4
                return Self.digits[Int(truncatingIfNeeded: digit & 63)]
            }, as: UTF8.self)
    }

    /// The digits of base64url (RFC 4648, 5).
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// The number of the account with this id; `nil` if there is none.
    package func number(of id: String) -> Int? {
        guard id.utf8.count == 22, let data = Data(base64URL: id), data.count == 16 else { return nil }
        func word(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        let mixed = word(data.prefix(8))
        guard word(data.suffix(8)) == checksum(of: mixed) else { return nil }
        let number = Self.unmix(mixed) ^ seed
        return number < UInt64(count) ? Int(number) : nil
    }

    private func checksum(of mixed: UInt64) -> UInt64 {
        Self.mix(mixed &+ Self.mix(seed &+ 1))
    }

    // The finalizer of MurmurHash3, a bijection of 64 bits, and its inverse.

    static func mix(_ number: UInt64) -> UInt64 {
        var mixed = number
        mixed = (mixed ^ mixed >> 33) &* 0xFF51_AFD7_ED55_8CCD
        mixed = (mixed ^ mixed >> 33) &* 0xC4CE_B9FE_1A85_EC53
        return mixed ^ mixed >> 33
    }

    static func unmix(_ mixed: UInt64) -> UInt64 {
        var number = (mixed ^ mixed >> 33) &* 0x9CB4_B2F8_1293_37DB
        number = (number ^ number >> 33) &* 0x4F74_430C_22A5_4005
        return number ^ number >> 33
    }

    struct Contact {
        let address: String
        let apartment: String?
        let city: String
        let country: String
        let email: String
        let firstName: String
        let lastName: String
        let phoneNumber: String
        let state: String
        let zip: String
    }

    private static let places = [
        (city: "Oakland", state: "CA", country: "US", zip: "94607", phone: "+1 555 0100 "),
        (city: "Boston", state: "MA", country: "US", zip: "02110", phone: "1-555-0101-"),
        (city: "München", state: "", country: "DE", zip: "80331", phone: "+49 89 0000 "),
        (city: "Toronto", state: "ON", country: "CA", zip: "M5V 2T6", phone: "+1 (555) 0102-"),
    ]

    /// The billing contact of an account: fictitious and unique.
    func contact(of number: Int) -> Contact {
        let place = Self.places[number % Self.places.count]
        let digits = Self.padded(number, to: 7)
        return Contact(
            address: "\(number % 900 + 1) Example Street",
            apartment: number % 3 == 0 ? "\(number % 40 + 1)b" : nil,
            city: place.city,
            country: place.country,
            email: "billing-\(digits)@example.com",
            firstName: "Billing",
            lastName: "Contact \(digits)",
            phoneNumber: place.phone + Self.padded(number % 1000, to: 3),
            state: place.state,
            zip: place.zip
        )
    }

    static func padded(_ number: Int, to width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
