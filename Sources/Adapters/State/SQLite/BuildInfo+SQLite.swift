import CSQLite

extension BuildInfo {
    /// The version of the loaded SQLite, which may differ from the version at build time.
    package static var sqlite: String {
        // A static string of the library, valid for the lifetime of the process.
        String(cString: sqlite3_libversion())
    }
}
