import ArgumentParser
import Domain

struct UpdateBillingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "billing", abstract: "Change fields of the billing contact of a sub account.",
        discussion: """
            Only the fields that you pass are changed. All users of the machine can see the flags of a command, for example \
            with ps. Use --from for personal data.

            The command reads the contact first. The service sends the change only if the contact is still the same then.

            \(ChangeFlags.discussion)
            """)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @Option(help: "New first name.")
    var firstName: String?

    @Option(help: "New last name.")
    var lastName: String?

    @Option(help: "New email address.")
    var email: String?

    @Option(help: "New phone number.")
    var phoneNumber: String?

    @Option(help: "New street address.")
    var address: String?

    @Option(help: "New apartment or suite.")
    var apt: String?

    @Option(help: "New city.")
    var city: String?

    @Option(help: "New state, as Zoom's id: for example CA.")
    var state: String?

    @Option(help: "New postal code.")
    var zip: String?

    @Option(help: "New country, as Zoom's id: for example US.")
    var country: String?

    @Option(help: "New number of employees, as one of Zoom's ranges: for example 51-250.")
    var employeeCount: String?

    @Option(
        help: "File with the fields as a JSON object: {\"email\": \"a@example.com\"}; - for standard input.",
        completion: .file())
    var from: String?

    @Flag(help: "Do not read the contact first, and send the change whatever the contact is.")
    var noIfMatch = false

    @OptionGroup var flags: ChangeFlags

    private var fields: [(name: String, value: String?)] {
        [
            ("first_name", firstName), ("last_name", lastName), ("email", email), ("phone_number", phoneNumber),
            ("address", address), ("apt", apt), ("city", city), ("state", state), ("zip", zip), ("country", country),
            ("employee_count", employeeCount),
        ]
    }

    func validate() throws {
        let hasFields = fields.contains { $0.value != nil }
        if from != nil, hasFields { throw ValidationError("--from and the flags of fields exclude each other") }
        if from == nil, !hasFields { throw ValidationError("no field to change: pass one, such as --email, or --from") }
        if noIfMatch, flags.ifMatch != nil {
            throw ValidationError("--if-match and --no-if-match exclude each other")
        }
    }

    func run() async throws {
        try flags.checkQuestion(readsStandardInput: from.map(ServiceFlags.isStandardInput) ?? false)
        let body: InputValue
        if let from {
            body = try await ChangeInput.read(from)
        } else {
            body = ChangeInput.object(fields.map { ($0.name, $0.value.map(InputValue.text)) })
        }
        try await flags.run(
            AccountChange(kind: .updateBilling, account: account, body: body), readsPrecondition: !noIfMatch)
    }
}
