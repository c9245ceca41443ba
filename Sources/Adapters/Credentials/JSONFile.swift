import FoundationEssentials

/// A file that holds one JSON object.
enum JSONFile {
    /// Far above any of ours; a larger file is not one of ours.
    private static let bytesMax = 1_048_576

    static func object(at path: String) throws(FileProblem) -> JSONObject {
        func problem(_ reason: String) -> FileProblem { FileProblem(path: path, reason: reason) }
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
            throw problem("no such file")
        } catch let error as CocoaError where error.code == .fileReadNoPermission {
            throw problem("may not be read")
        } catch {
            throw problem("cannot be read")
        }
        guard data.count <= bytesMax else { throw problem("larger than \(bytesMax) bytes") }
        let value: JSONValue
        do throws(JSONSyntaxError) {
            value = try JSONValue(parsing: Array(data))
        } catch {
            throw problem("not JSON: \(error)")
        }
        guard let object = value.object else { throw problem("not a JSON object") }
        return object
    }
}
