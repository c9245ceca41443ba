/// A member of an answer that is passed on unchanged and not interpreted. Zoom adds some from time to time.
package struct UnreadMember: Sendable, Equatable {
    package let name: String
    /// The value in the notation of its source.
    package let value: [UInt8]

    package init(name: String, value: [UInt8]) {
        self.name = name
        self.value = value
    }
}
