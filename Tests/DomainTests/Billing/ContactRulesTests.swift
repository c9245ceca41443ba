import Domain
import Testing

@Suite("Contact rules")
struct ContactRulesTests {
    /// A contact with all fields.
    static let contact: InputValue = [
        "address": "12 Harbour Street", "apt": "4b", "city": "Oakland", "country": "US",
        "email": "accounts@example.com",
        "first_name": "New", "last_name": "Owner", "phone_number": "+1 555 0100 200", "state": "CA", "zip": "94607",
    ]

    /// As a read of the source shows it.
    static func current(_ changes: [String: String] = [:], employees: String? = nil) -> BillingContact {
        BillingContact(
            reading: { field in
                if let change = changes[field.name] { return change }
                guard case .text(let text) = contact[field.name] else { return nil }
                return text
            }, employeeCount: employees)
    }

    private static func update(_ body: InputValue) throws -> AccountWrite {
        try AccountWrite.make(.updateBillingInformation, of: account, from: body, rules: WriteRules())
    }

    // MARK: Values

    @Test(
        "Updating a contact accepts any part of it",
        arguments: [
            contact, ["email": "a@b.example"], ["apt": ""], ["apt": "Büro 3, 2. OG"],
            ["first_name": "Zoë", "last_name": "O’Neil"],
            ["address": "東京都千代田区"], ["country": "DE", "state": "Bayern"], ["country": "DE", "state": ""],
            ["country": "IE", "zip": ""], ["country": "CA", "state": "ON"], ["country": "US", "state": "DC"],
            ["country": "US", "state": "PR"], ["country": "US", "state": "AE"], ["employee_count": "10001+"],
            ["employee_count": "10000+"], ["employee_count": ""], ["employee_count": "Just Me"],
            ["first_name": "\u{200F}\u{5D0}\u{5D3}\u{5D4}"],
        ] as [InputValue])
    func accepted(body: InputValue) throws {
        #expect(try Self.update(body).body == body)
    }

    private static let long = String(repeating: "x", count: 256)

    private static let broken: [(InputValue, String, String)] = [
        ([:], "body", "Must have at least one field."),
        (["email"], "body", "Must be an object. Given: a list of 1."),
        ("email", "body", "Must be an object. Given: \"email\"."),
        (nil, "body", "Must be an object. Given: null."),
        (["first_name": 1], "first_name", "Must be a text. Given: 1."),
        (["first_name": true], "first_name", "Must be a text. Given: true."),
        (["first_name": nil], "first_name", "Must be a text. Given: null."),
        (["apt": ["4b"]], "apt", "Must be a text. Given: a list of 1."),
        (["city": ["name": "x"]], "city", "Must be a text. Given: an object."),
        (["first_name": ""], "first_name", "Must not be empty. Given: \"\"."),
        (["first_name": " \u{3000}\u{A0}"], "first_name", "Must not be empty. Given: \" \u{3000}\u{A0}\"."),
        (["address": "a\nb"], "address", "Must be one line. Given: \"a\u{FFFD}b\"."),
        (["address": "a\u{2028}b"], "address", "Must be one line. Given: \"a\u{FFFD}b\"."),
        (["address": "a\u{85}b"], "address", "Must be one line. Given: \"a\u{FFFD}b\"."),
        (["address": "a\r\n"], "address", "Must be one line. Given: \"a\u{FFFD}\u{FFFD}\"."),
        (["city": "a\tb"], "city", "Must not have control characters. Given: \"a\u{FFFD}b\"."),
        (["city": "a\u{0}"], "city", "Must not have control characters. Given: \"a\u{FFFD}\"."),
        (["city": "a\u{7F}"], "city", "Must not have control characters. Given: \"a\u{FFFD}\"."),
        (["city": "a\u{9B}"], "city", "Must not have control characters. Given: \"a\u{FFFD}\"."),
        (
            ["last_name": "a\u{202E}b"], "last_name",
            "Must not have characters that change the direction of text. Given: \"a\u{FFFD}b\"."
        ),
        (
            ["last_name": "a\u{2066}b"], "last_name",
            "Must not have characters that change the direction of text. Given: \"a\u{FFFD}b\"."
        ),
        (["address": .text(long)], "address", "Must have at most 255 characters. Given: \"\(long.prefix(64))…\"."),
        (["zip": .text(String(repeating: "1", count: 21))], "zip", "Must have at most 20 characters."),
        (
            ["phone_number": .text(String(repeating: "1", count: 65))], "phone_number",
            "Must have at most 64 characters."
        ),
        (["country": "us"], "country", "Must be a country of ISO 3166-1 in two capital letters. Did you mean \"US\"?"),
        (["country": "UK"], "country", "Must be a country of ISO 3166-1 in two capital letters. Did you mean \"GB\"?"),
        (["country": "XX"], "country", "Must be a country of ISO 3166-1 in two capital letters. Given: \"XX\"."),
        (
            ["country": "Germany"], "country",
            "Must be a country of ISO 3166-1 in two capital letters. Given: \"Germany\"."
        ),
        (["country": ""], "country", "Must not be empty."),
        (
            ["country": "US", "state": "Texas"], "state",
            "Must be a state of the United States in two capital letters, such as CA. Given: \"Texas\"."
        ),
        (["country": "US", "state": "tx"], "state", "Must be a state of the United States"),
        (["country": "US", "state": ""], "state", "Must be a state of the United States"),
        (
            ["state": "TX", "country": "CA"], "state",
            "Must be a province of Canada in two capital letters, such as ON."
        ),
        (["employee_count": "3"], "employee_count", "Must be one of \"\", \"Just Me\", \"2-10\""),
        (["employee_count": 3], "employee_count", "Must be one of"),
        (["addres": "x"], "addres", "Unknown field. Did you mean \"address\"? Given: \"x\"."),
        (["firstName": "x"], "firstName", "Unknown field. Did you mean \"first_name\"?"),
        (["phone": "x"], "phone", "Unknown field. Did you mean \"phone_number\"?"),
        (["ph": "x"], "ph", "Unknown field. Given: \"x\"."),
        (["zpi": "x"], "zpi", "Unknown field. Given: \"x\"."),
        (["emial": "x"], "emial", "Unknown field. Did you mean \"email\"?"),
        (["city": "x", "city": "y"], "city", "Must be given only once. Given: \"y\"."),
    ]

    @Test("Updating a contact names the broken rule and the value", arguments: broken.indices)
    func brokenRule(index: Int) {
        let (body, field, message) = Self.broken[index]
        let violations = violations(.updateBillingInformation, body)
        #expect(violations.map(\.field) == [field])
        #expect(violations.first?.message.hasPrefix(message) == true, "\(violations.map(\.message))")
    }

    @Test(
        "E-mail addresses are accepted",
        arguments: [
            "a@b.example", "first.last+tag@example.co.uk", "o'neil@example.com", "a@xn--bcher-kva.example",
            "a@bücher.example",
            "a@例え.jp", "x_y-z@1.2.example", String(repeating: "l", count: 64) + "@example.com", "a@example.c0m",
        ])
    func emails(email: String) {
        #expect(violations(.updateBillingInformation, ["email": .text(email)]) == [])
    }

    @Test(
        "Texts that are no e-mail address are refused",
        arguments: [
            "a", "@example.com", "a@", "a@b", "a@@b.example", "a b@example.com", "a@exa mple.com", ".a@example.com",
            "a.@example.com", "a..b@example.com", "\"a b\"@example.com", "a@[127.0.0.1]", "a@127.0.0.1", "a@-b.example",
            "a@b-.example", "a@b..example", "a@.example", "a@example.", "a,b@example.com", "<a@example.com>",
            "zoë@example.com", String(repeating: "l", count: 65) + "@example.com",
            "a@" + String(repeating: "d", count: 64) + ".example",
            "a@" + String(repeating: "dddddddd.", count: 30) + "example",
        ])
    func noEmails(email: String) {
        let violations = violations(.updateBillingInformation, ["email": .text(email)])
        #expect(violations.count == 1)
        #expect(violations.first?.field == "email")
    }

    @Test("Every broken rule of a contact is named at once")
    func all() {
        let violations = violations(
            .updateBillingInformation,
            ["first_name": "", "email": "x", "country": "de", "state": 7, "colour": "red", "zip": "1\n2"])
        #expect(violations.map(\.field) == ["first_name", "email", "country", "state", "colour", "zip"])
    }

    @Test("At most 100 broken rules are listed; the others are counted")
    func limit() {
        let body = InputValue.object((0..<1000).map { .init(name: "unknown\($0)", value: 1) })
        let violations = violations(.updateBillingInformation, body)
        #expect(violations.count == 101)
        #expect(violations.last == .init(field: "body", message: "900 more rules are broken."))
    }

    @Test("Blanks at the ends of a value are not sent")
    func trimmed() throws {
        #expect(try Self.update(["city": "  New  York\u{A0}"]).body == ["city": "New  York"])
    }

    @Test("A failure that is logged has no values of the caller")
    func log() {
        let violations = violations(.updateBillingInformation, ["email": "ada.at.example.com", "city": ""])
        #expect("\(BillingFailure.invalid(violations))" == "invalid([email, city])")
        #expect(String(reflecting: BillingFailure.invalid(violations)).contains("ada") == false)
    }

    @Test("A name of any length is shortened in the answer")
    func longName() {
        let violations = violations(.updateBillingInformation, .object([.init(name: Self.long, value: 1)]))
        #expect(violations.map(\.field) == [Self.long.prefix(64) + "…"])
    }

    // MARK: The contact of a subscription

    private static let subscription: InputValue = ["plan_base": ["type": "business_monthly", "hosts": 10]]

    @Test(
        "The contact of a subscription needs every field but the apartment",
        arguments: BillingContact.Field.allCases)
    func required(field: BillingContact.Field) {
        let body = Self.subscription.with("contact", Self.contact.with(field.name, nil))
        let expected: [BillingFailure.Violation] =
            field == .apartment ? [] : [.init(field: "contact.\(field.name)", message: "Must be given.")]
        #expect(violations(.subscribePlans, body) == expected)
    }

    @Test("A subscription without a contact is complete")
    func noContact() {
        #expect(violations(.subscribePlans, Self.subscription) == [])
    }

    @Test("The fields of a subscription's contact are named with their path")
    func path() {
        let contact = Self.contact.with("state", "XX").with("email", "x").with("emali", "y")
        let violations = violations(.subscribePlans, Self.subscription.with("contact", contact))
        #expect(violations.map(\.field) == ["contact.email", "contact.emali", "contact.state"])
    }

    // MARK: The current contact

    @Test("A state without a country is checked with the current country")
    func stateAlone() throws {
        let write = try Self.update(["state": "Bayern"])
        #expect(write.violations(given: Self.current()).map(\.field) == ["state"])
        #expect(write.violations(given: Self.current(["country": "DE"])) == [])
        #expect(try Self.update(["state": "TX"]).violations(given: Self.current()) == [])
    }

    @Test("A country without a state is checked with the current state")
    func countryAlone() throws {
        let write = try Self.update(["country": "US"])
        #expect(write.violations(given: Self.current(["country": "DE", "state": "Bayern"])).map(\.field) == ["state"])
        #expect(write.violations(given: Self.current()) == [])
        #expect(try Self.update(["country": "DE"]).violations(given: Self.current()) == [])
    }

    @Test("A change of neither country nor state is possible with every contact")
    func neither() throws {
        let current = Self.current(["country": "US", "state": "Bayern"])
        #expect(try Self.update(["city": "x"]).violations(given: current) == [])
    }

    @Test("A contact shows a change if every given field has its value")
    func shown() throws {
        let write = try Self.update(["city": "Oakland", "apt": "4b"])
        #expect(write.isShown(by: .contact(Self.current())))
        #expect(!write.isShown(by: .contact(Self.current(["apt": "4c"]))))
        #expect(!write.isShown(by: .plans(AccountPlans([]))))
        #expect(try Self.update(["apt": ""]).isShown(by: .contact(BillingContact(reading: { _ in nil }))))
        #expect(
            try !Self.update(["city": "Zu\u{308}rich"]).isShown(by: .contact(Self.current(["city": "Z\u{FC}rich"]))))
    }

    @Test("A number of employees is shown only if the source reports it")
    func employees() throws {
        let write = try Self.update(["employee_count": "2-10"])
        #expect(!write.isShown(by: .contact(Self.current())))
        #expect(!write.isShown(by: .contact(Self.current(employees: "11-50"))))
        #expect(write.isShown(by: .contact(Self.current(employees: "2-10"))))
    }

    @Test("Differences list the fields that change, with their values")
    func differences() throws {
        let write = try Self.update(["city": "Oakland", "zip": "94608", "apt": "", "employee_count": "2-10"])
        #expect(
            write.differences(from: .contact(Self.current())) == [
                Difference(field: "zip", from: "94607", to: "94608"), Difference(field: "apt", from: "4b", to: nil),
                Difference(field: "employee_count", from: nil, to: "2-10"),
            ])
        #expect(write.differences(from: .plans(AccountPlans([]))) == [])
    }

    @Test("The audit of a change names its fields and none of their values")
    func audit() throws {
        let write = try Self.update(["city": "Oakland", "zip": "94608"])
        #expect(write.changedFields == ["city", "zip"])
        #expect(write.plans == [])
        #expect(write.unknownKinds == [])
        #expect(write.shownBy == .billingInformation(of: account))
    }
}
