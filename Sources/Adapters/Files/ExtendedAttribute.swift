import CHTTP2

/// Extended attributes of files (xattr(7)), which not all file systems support.
package enum ExtendedAttribute {
    /// - Returns: nil if the file has no such attribute, or the file system does not support attributes.
    package static func read(_ name: String, of path: String) -> [UInt8]? {
        let path = SystemText.cString(of: path)
        let count = getxattr(path, name, nil, 0)
        guard count >= 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        return getxattr(path, name, &bytes, count) == count ? bytes : nil
    }

    /// - Returns: Whether the attribute was written.
    package static func write(_ bytes: [UInt8], to name: String, of path: String) -> Bool {
        setxattr(SystemText.cString(of: path), name, bytes, bytes.count, 0) == 0
    }
}
