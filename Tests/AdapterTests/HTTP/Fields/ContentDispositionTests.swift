import Adapters
import Testing

@Suite("Content-Disposition")
struct ContentDispositionTests {
    @Test(
        "the file name of a field value is read",
        arguments: [
            ("attachment", nil), ("inline; size=3", nil), ("attachment; filename=a.pdf", "a.pdf"),
            ("attachment; filename=\"INV 1.pdf\"", "INV 1.pdf"), ("attachment;filename = \"a;b.pdf\" ; x=y", "a;b.pdf"),
            (#"attachment; filename="a\"b\\c.pdf""#, #"a"b\c.pdf"#), ("attachment; FileName=A.pdf", "A.pdf"),
            ("attachment; filename=plain.pdf; filename*=UTF-8''caf%C3%A9.pdf", "caf\u{E9}.pdf"),
            ("attachment; filename*=utf-8'en'%2e%2e%2fa.pdf; filename=b.pdf", "../a.pdf"),
            // An extended value in another character set, or with a wrong escape, is ignored.
            ("attachment; filename*=ISO-8859-1''a.pdf; filename=b.pdf", "b.pdf"),
            ("attachment; filename*=UTF-8''%zz; filename=b.pdf", "b.pdf"), ("attachment; filename=\"open", "open"),
            ("attachment; filename=a.pdf; filename=b.pdf", "a.pdf"), ("", nil), (";;;=", nil),
        ])
    func name(value: String, name: String?) {
        #expect(ContentDisposition.fileName(in: value) == name)
    }

    @Test("a file that is saved has its name in quotes")
    func attachment() {
        #expect(ContentDisposition.attachment(named: "INV 1.pdf") == "attachment; filename=\"INV 1.pdf\"")
    }
}
