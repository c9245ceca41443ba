import Domain
import DomainFakes
import Testing

@Suite("Pages of answers", .timeLimit(.minutes(10)))
struct PagesModelTests {
    @Test(
        "Pages of answers: random operations have the results of a plain dictionary",
        arguments: [
            (PagesModel.Settings(), 1), (PagesModel.Settings(accounts: 40), 2),
            (PagesModel.Settings(bytesMax: 150_000), 3), (PagesModel.Settings(accounts: 60, bytesMax: 20_000), 4),
        ] as [(PagesModel.Settings, UInt64)])
    func model(settings: PagesModel.Settings, seed: UInt64) throws {
        var model = PagesModel(settings, seed: seed)
        let summary = try model.run(operations: 50_000)
        #expect(summary.stored > 10_000 && summary.refused > 100 && summary.removed > 100, "\(summary)")
        #expect(summary.runs > 5000 && summary.lines > 2000, "\(summary)")
        #expect((summary.evicted > 1000) == (settings.bytesMax != nil), "\(summary)")
        #expect(summary.pages >= 5, "\(summary)")
    }
}
