#if canImport(Glibc)
    import Glibc
#endif

extension PrivateFile {
    /// Creates an empty file for a database, with mode 0600, which SQLite gives its other files too. The file survives a loss
    /// of power.
    ///
    /// - Parameter path: The path of the file without symbolic links.
    func createDatabase(at path: String) throws(FileProblem) {
        let descriptor = open(SystemText.cString(of: path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw problem(code: errno) }
        close(descriptor)
        let folder = SystemText.parent(ofPath: path)
        let folderDescriptor = open(SystemText.cString(of: folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderDescriptor >= 0 else { throw FileProblem(path: folder, code: errno) }
        defer { close(folderDescriptor) }
        // Some file systems cannot sync a folder and return EINVAL.
        guard fsync(folderDescriptor) == 0 || errno == EINVAL else { throw FileProblem(path: folder, code: errno) }
    }
}
