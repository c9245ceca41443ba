import NIOHTTP1

extension NIOHTTPDecoderLimitConfiguration {
    /// Our limits of a field section, and not NIO's own, which have changed from release to release.
    init(listBytesMax: Int, fieldsMax: Int) {
        self.init()
        maxHeaderFieldSize = listBytesMax
        maxHeaderListSize = listBytesMax
        maxHeaderFieldCount = fieldsMax
    }

    init(_ limits: Limits) {
        self.init(listBytesMax: limits.headerListBytesMax, fieldsMax: limits.headerFieldsMax)
    }
}
