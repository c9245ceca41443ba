import Adapters
import Foundation
import Logging
import Testing

/// Certificates made with the openssl command, in a folder that is removed after the test.
struct TestCertificates {
    let folder: String

    /// The certificate authority of all certificates unless stated otherwise.
    var ca: String { folder + "/ca.pem" }
    /// A certificate authority that signed only `unknownClient`.
    var otherCA: String { folder + "/other-ca.pem" }
    var server: ServerCertificate.Files { files("server") }
    /// A server certificate for another host.
    var stranger: ServerCertificate.Files { files("stranger") }
    var expired: ServerCertificate.Files { files("expired") }
    /// A client certificate with the names `URI:spiffe://example/reports` and `DNS:reports.example`.
    var client: ServerCertificate.Files { files("client") }
    /// An intermediate certificate authority, signed by `ca`.
    var intermediate: String { folder + "/intermediate.pem" }
    /// A certificate for servers and clients, signed by `intermediate`, which its file includes.
    var chained: ServerCertificate.Files { files("chained") }
    /// A client certificate with names of every kind, none of them in canonical form.
    var named: ServerCertificate.Files { files("named") }
    /// A client certificate signed by `otherCA`, which the server does not trust.
    var unknownClient: ServerCertificate.Files { files("unknown-client") }

    private func files(_ name: String) -> ServerCertificate.Files {
        ServerCertificate.Files(certificate: "\(folder)/\(name).pem", key: "\(folder)/\(name).key")
    }

    private static let script = """
        set -eu
        cd "$1"
        key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        openssl req -x509 $key -days 2 -keyout ca.key -out ca.pem -subj /CN=test-ca
        openssl req -x509 $key -days 2 -keyout other-ca.key -out other-ca.pem -subj /CN=other-ca
        sign() { # name, names, days, ca
            openssl req $key -keyout "$1.key" -out "$1.csr" -subj "/CN=$1"
            printf 'subjectAltName=%s' "$2" > "$1.ext"
            openssl x509 -req -in "$1.csr" -CA "$4.pem" -CAkey "$4.key" -days "$3" -extfile "$1.ext" -out "$1.pem"
        }
        sign server DNS:localhost,IP:127.0.0.1 2 ca
        sign stranger DNS:stranger.example 2 ca
        sign expired DNS:localhost,IP:127.0.0.1 -1 ca
        sign client URI:spiffe://example/reports,DNS:reports.example 2 ca
        sign named 'DNS:Reports.EXAMPLE,URI:SPIFFE://Example/Reports,email:Jobs@EXAMPLE.com,IP:2001:DB8:0:0:0:0:0:7,IP:192.0.2.7' 2 ca
        openssl req $key -keyout intermediate.key -out intermediate.csr -subj /CN=intermediate
        printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=keyCertSign' > intermediate.ext
        openssl x509 -req -in intermediate.csr -CA ca.pem -CAkey ca.key -days 2 -extfile intermediate.ext -out intermediate.pem
        sign chained DNS:localhost,IP:127.0.0.1 2 intermediate
        cat intermediate.pem >> chained.pem
        openssl pkey -in server.key -aes128 -passout pass:secret -out encrypted.key
        sign unknown-client DNS:reports.example 2 other-ca
        """

    static func with(_ test: (TestCertificates) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let made = await TestProcess.run("sh", ["-c", script, "sh", folder])
            try #require(made.status == 0, "\(made.errors)")
            try await test(TestCertificates(folder: folder))
        }
    }

    /// Replaces the server certificate with a new one for the same names.
    func renewServer() async throws {
        let renewed = await TestProcess.run(
            "sh",
            [
                "-c",
                """
                set -eu
                cd "$1"
                openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout new.key -out new.csr -subj /CN=renewed
                openssl x509 -req -in new.csr -CA ca.pem -CAkey ca.key -days 2 -extfile server.ext -out new.pem
                mv new.key server.key
                mv new.pem server.pem
                """, "sh", folder,
            ])
        try #require(renewed.status == 0, "\(renewed.errors)")
    }
}

extension ServerCertificate {
    static func test(_ files: Files) throws -> ServerCertificate {
        try ServerCertificate(
            files, eventLoop: testEventLoop, logger: .silent)
    }
}
