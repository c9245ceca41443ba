import Adapters
import Domain
import DomainFakes
import Foundation
import Glibc

/// Measures the cache with COUNT contacts of about 230 bytes of JSON, stored in ascending or random order of account:
///
///     CacheLoad COUNT [random]
///
/// Or compares the pages of the cache with a model, over random operations (`PagesModel`, `ConcurrentCacheModel`):
///
///     CacheLoad model OPERATIONS SEED
///
/// Or stores answers for the accounts in a file, one id on each line, in the Redis at a port of this machine (`SharedFill`):
///
///     CacheLoad share PORT SOURCE FILE
@main
enum CacheLoad {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "model", arguments.count == 3, let operations = Int(arguments[1]),
            let seed = UInt64(arguments[2])
        {
            try await compareWithModel(operations, seed)
        } else if let count = arguments.first.flatMap({ Int($0) }), count > 0, arguments.dropFirst() == [] {
            try CacheMeasurement(count: count, isAscending: true).run(AnswerLines(), SystemTime())
        } else if let count = arguments.first.flatMap({ Int($0) }), count > 0, arguments.dropFirst() == ["random"] {
            try CacheMeasurement(count: count, isAscending: false).run(AnswerLines(), SystemTime())
        } else if arguments.first == "share", arguments.count == 4, let port = Int(arguments[1]) {
            let lines = try String(contentsOfFile: arguments[3], encoding: .utf8).split(separator: "\n")
            try await SharedFill(port: port, source: arguments[2]).run(
                lines.compactMap { AccountID(String($0)) }, AnswerLines())
        } else {
            print("usage: CacheLoad COUNT [random] | model OPERATIONS SEED | share PORT SOURCE FILE")
            exit(64)
        }
    }

    private static func compareWithModel(_ operations: Int, _ seed: UInt64) async throws {
        let settings: [PagesModel.Settings] = [
            .init(), .init(accounts: 40), .init(bytesMax: 150_000), .init(accounts: 60, bytesMax: 20_000),
            .init(accounts: 3000, bytesMax: 2_000_000),
        ]
        for (index, settings) in settings.enumerated() {
            var model = PagesModel(settings, seed: seed + UInt64(index))
            print(try model.run(operations: operations / 5))
        }
        print(
            try await ConcurrentCacheModel().run(tasks: 6, operations: min(operations / 6, 50_000), seed: seed))
    }
}
