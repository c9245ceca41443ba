import NIOHTTP1

extension NIOHTTPDecoderLimitConfiguration {
    /// Sets our own limits, since NIO's defaults change between releases.
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
