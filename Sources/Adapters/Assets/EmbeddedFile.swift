import CAssets
package import NIOCore

/// The files that the compiler has put into the program.
package enum EmbeddedFile {
    /// The contract of the API.
    package static let openapiYAML = ByteBuffer(embedded_openapi_yaml())

    static let operatorPageStyle = ByteBuffer(embedded_operator_page_style())
    static let operatorPageScript = ByteBuffer(embedded_operator_page_script())
}

extension ByteBuffer {
    fileprivate init(_ file: embedded_file) {
        self.init(bytes: UnsafeRawBufferPointer(start: file.bytes, count: file.count))
    }
}
