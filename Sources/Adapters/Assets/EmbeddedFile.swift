import CAssets
package import NIOCore

/// The files that the compiler has put into the program.
package enum EmbeddedFile {
    /// The contract of the API.
    package static let openapiYAML = ByteBuffer(embedded_openapi_yaml())

    /// The contract as JSON; `nil` if the program was built without `make assets`.
    package static let openapiJSON = ByteBuffer(optional: embedded_openapi_json())

    /// Redoc, compressed with gzip; `nil` if the program was built without `make assets`.
    package static let redocScript = ByteBuffer(optional: embedded_redoc_script())

    static let documentStyle = ByteBuffer(embedded_document_style())
    static let apiPageStyle = ByteBuffer(embedded_api_page_style())
    static let apiPageScript = ByteBuffer(embedded_api_page_script())
    static let operatorPageStyle = ByteBuffer(embedded_operator_page_style())
    static let operatorPageScript = ByteBuffer(embedded_operator_page_script())
}

extension ByteBuffer {
    /// - Parameter file: Without bytes if this program does not have it.
    fileprivate init?(optional file: embedded_file) {
        guard file.count > 0 else { return nil }
        self.init(file)
    }

    fileprivate init(_ file: embedded_file) {
        self.init(bytes: UnsafeRawBufferPointer(start: file.bytes, count: file.count))
    }
}
