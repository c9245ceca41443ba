import Domain
import DomainFakes
import Testing

@Suite("A secret")
struct SecretTests {
    @Test("shows in no way of printing it")
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

    @Test("cannot be encoded")
    func encoding() {
        #expect(!((Secret(in: PlainSecret("hunter2")) as Any) is any Encodable))
    }

    @Test("is given to whoever has to send it, and equals another of the same bytes")
    func revealing() {
        let secret = Secret(in: PlainSecret("hunter2"))
        #expect(secret.reveal { bytes in bytes.count } == 7)
        #expect(secret == Secret(in: PlainSecret("hunter2")) && secret != Secret(in: PlainSecret("hunter3")))
    }
}
