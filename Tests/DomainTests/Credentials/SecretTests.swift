import Domain
import DomainFakes
import Testing

@Suite("Secret")
struct SecretTests {
    @Test("A secret is not printed in any form")
    func printing() {
        let credentials = MasterCredentials(
            name: Name(literal: "main"), accountID: AccountID(literal: "m"), clientID: "c",
            clientSecret: Secret(in: PlainSecret("hunter2")))
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped, "\(Optional(credentials) as Any)"] {
            #expect(!text.contains("hunter2"))
        }
        #expect("\(Mirror(reflecting: credentials.clientSecret).children.count)" == "0")
    }

    @Test("A secret cannot be encoded")
    func encoding() {
        #expect(!((Secret(in: PlainSecret("hunter2")) as Any) is any Encodable))
    }

    @Test("A secret reveals its bytes to its sender, and equals a secret with the same bytes")
    func revealing() {
        let secret = Secret(in: PlainSecret("hunter2"))
        #expect(secret.reveal { bytes in bytes.count } == 7)
        #expect(secret == Secret(in: PlainSecret("hunter2")) && secret != Secret(in: PlainSecret("hunter3")))
    }
}
