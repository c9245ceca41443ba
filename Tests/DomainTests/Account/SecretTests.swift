import Domain
import DomainFakes
import Testing

@Suite("A secret")
struct SecretTests {
    @Test("shows in no way of printing it")
    func printing() {
        let credentials = MasterCredentials(
            name: "main", accountID: AccountID(literal: "m"), clientID: "c", clientSecret: Secret("hunter2"))
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped] {
            #expect(!text.contains("hunter2"))
        }
    }

    @Test("is given to whoever has to send it")
    func revealing() {
        #expect(Secret("hunter2").reveal() == "hunter2")
    }
}
