extension SandboxEndpoint {
    /// The file of an invoice without an access token, as from a storage service to which a download redirects.
    ///
    /// It refuses a request with `Authorization`, since a client must not send its token to another host.
    static let getStoredFile = SandboxEndpoint(
        title: "Get a stored file", method: .get, paths: ["/sandbox/files/{invoiceId}"], access: .unchecked,
        behaviour: .file { sandbox, call in
            guard call.request.fields[.authorization] == nil else {
                return SandboxReply(
                    SandboxResponse.error(400, 400, "Only one authentication mechanism is allowed."))
            }
            guard let invoice = sandbox.invoice(call.invoice) else {
                return SandboxReply(SandboxResponse.unknownInvoice(call.invoice))
            }
            return SandboxReply(sandbox.file(of: invoice))
        })
}
