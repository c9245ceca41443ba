import FoundationEssentials

/// The sub accounts of the sandbox. Each is computed from its number, so that a million accounts need no memory. Copies share
/// the accounts that were created and disassociated.
///
/// An id is 16 bytes in base64url, like Zoom's ids: the account's number, mixed so that the ids are not in order, and a
/// checksum, so that an invented id is recognized as unknown.
package struct SandboxAccounts: Sendable {
    private let seed: UInt64
    private let membership: SandboxMembership

    package init(count: Int, seed: UInt64) {
        self.seed = seed
        membership = SandboxMembership(count: count)
    }

    /// The number of accounts.
    package var count: Int { membership.count }

    /// All accounts have lower numbers.
    var end: Int { membership.end }

    func contains(_ number: Int) -> Bool { membership.contains(number) }

    /// The number of the master account, which is not one of the sub accounts. It is above the largest `count`, and it is
    /// an account of no kind.
    static let master = 1 << 24 - 1

    package func kind(of number: Int) -> SandboxAccountKind? {
        SandboxAccountKind.allCases.first { $0.remainder == number % 100 }
    }

    package func isSelfPay(_ number: Int) -> Bool { kind(of: number) == .selfPay }

    /// Whether an account has no plans, unless a write changed them.
    func isFree(_ number: Int) -> Bool {
        guard membership.created(number) == nil else { return true }
        return switch kind(of: number) {
        case .free, .freeWithSuccessStatus: true
        case .missingMembers, .nullMembers, .additionalMembers, .selfPay, .quotedStatus, .large, .longAmounts,
            .unsafeFileName, nil:
            false
        }
    }

    /// The day on which the account was created, which precedes all of its invoices.
    func created(_ number: Int) -> SandboxDate {
        membership.created(number)?.day ?? SandboxDate(year: 2016 + number % 4, month: 2, day: 1)
    }

    func name(_ number: Int) -> String { membership.created(number)?.name ?? "Example account \(number)" }

    func ownerEmail(_ number: Int) -> String { membership.created(number)?.ownerEmail ?? "owner-\(number)@example.com" }

    func ownerID(_ number: Int) -> String { "owner-\(number)" }

    // MARK: Created and disassociated accounts

    /// Creates an account without plans. Its kind has no peculiarity other than self pay.
    ///
    /// - Returns: Its number; `nil` if an account with this email exists, or if all numbers are used.
    func create(_ account: SandboxMembership.Created, isSelfPay: Bool) -> Int? {
        guard !isOwnerEmail(account.ownerEmail) else { return nil }
        return membership.add(account, limit: Self.master) { kind(of: $0) == (isSelfPay ? .selfPay : nil) }
    }

    /// Whether the email is that of an account from the start.
    private func isOwnerEmail(_ email: String) -> Bool {
        guard let number = email.wholeMatch(of: /owner-([0-9]{1,8})@example\.com/).flatMap({ Int($0.output.1) }) else {
            return false
        }
        return contains(number) && ownerEmail(number) == email
    }

    func remove(_ number: Int) {
        membership.remove(number)
    }

    // MARK: Lists

    /// Accounts at equal distances of their numbers, some of which are missing.
    struct Selection {
        fileprivate let first: Int
        fileprivate let step: Int

        /// The missing numbers, ascending.
        fileprivate let missing: [Int]
        let count: Int

        func number(at position: Int) -> Int {
            var place = position
            for number in missing {
                if number > first + place * step { break }
                place += 1
            }
            return first + place * step
        }
    }

    /// The accounts that a reseller sold; all for `nil`. The resellers `reseller-1` to `reseller-5` sold one account in ten
    /// each.
    func selection(reseller: String?) -> Selection {
        guard let reseller else { return selection(first: 0, step: 1) }
        guard let first = (1...5).first(where: { "reseller-\($0)" == reseller }) else {
            return Selection(first: 0, step: 1, missing: [], count: 0)
        }
        return selection(first: first, step: 10)
    }

    private func selection(first: Int, step: Int) -> Selection {
        let (missing, end) = membership.missing(first: first, step: step)
        return Selection(
            first: first, step: step, missing: missing, count: (max(end - first, 0) + step - 1) / step - missing.count)
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
        return number < UInt64(Self.master) && contains(Int(number)) ? Int(number) : nil
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
