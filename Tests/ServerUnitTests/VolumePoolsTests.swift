// SPDX-License-Identifier: Apache-2.0
import Model
import ServerUnit
import Testing

@Suite("The pools of MINIO_VOLUMES") struct VolumePoolsTests {
  private static let a = "http://minio-{1...4}:9000/d{1...2}"
  private static let b = "http://minio-{5...8}:9000/d{1...2}"
  private static let c = "http://minio-{9...12}:9000/d{1...2}"

  private static func pools(_ text: String) -> VolumePools {
    VolumePools(text.split(separator: " ").map(String.init))
  }
  private func findings(_ old: String, _ new: String, isRefused: Bool = true) -> [Finding] {
    Self.pools(new).findings(
      insteadOf: Self.pools(old), of: "the running server", isRefused: isRefused)
  }

  @Test(
    "the same pools, and more behind them, are no finding; neither is what is not known for one reason",
    arguments: [
      (a, a), (a, "\(a) \(b)"), ("\(a) \(b)", "\(a) \(b) \(c)"), ("", ""),
      ("/data", "/data"), ("/d1 /d2", "/d1 /d2"),
      // TLS: the server takes that.
      ("\(a) \(b)", "\(a) \(b)".replacing("http:", with: "https:")),
    ])
  func added(_ old: String, _ new: String) { #expect(findings(old, new) == []) }

  @Test(
    "a pool that is altered, gone, or not in its place is an error that names it",
    arguments: [
      ("\(a) \(b)", b, "pool 1 (\(a)) would be gone"),
      ("\(a) \(b)", a, "pool 2 (\(b)) would be gone"),
      ("\(a) \(b)", "\(b) \(a)", "pool 1 (\(a)) would be pool 2, pool 2 (\(b)) would be pool 1"),
      ("\(a) \(b)", "\(c) \(a) \(b)", "pool 1 (\(a)) would be pool 2"),
      ("\(a) \(b)", "\(a) \(c) \(b)", "pool 2 (\(b)) would be pool 3"),
      (a, a.replacing("1...4", with: "1...5"), "would become pool 1 (http://minio-{1...5}:9000"),
      (a, a.replacing("1...2", with: "1...3"), "would become pool 1 ("),
      (a, a.replacing("9000", with: "9001"), "would be gone"),
      ("\(a) \(b)", "\(b) \(a.replacing("1...2", with: "1...3"))", "would become pool 2 ("),
      // Without a pattern all arguments are one pool.
      ("http://a/d http://b/d", "http://a/d http://b/d http://c/d", "would become pool 1 ("),
      ("/d1 /d2", "/d2 /d1", "would become pool 1 (/d2 /d1)"),
    ])
  func changed(_ old: String, _ new: String, _ text: String) throws {
    let finding = try #require(findings(old, new).first)
    #expect(finding.severity == .error && finding.refusal == .validation)
    #expect(finding.message.contains(text), "\(finding.message)")
    #expect(finding.remedy?.contains("--change-pools") == true)
    let meant = try #require(findings(old, new, isRefused: false).first)
    #expect(meant.severity == .warning && meant.message == finding.message)
  }

  @Test(
    "the same drives in other words are the same pool, with a warning",
    arguments: [
      (a, "http://minio-{1...2}:9000/d{1...2} "),
      ("http://minio-{1...2}/d", "http://minio-1/d http://minio-2/d"),
      ("http://minio-{1...2}/d", "http://minio-{1...2}:9000/d/"),
      ("http://minio-{1...2}/d \(b)", "http://MINIO-{1...2}:9000/d \(b) \(c)"),
      ("/d{1...2}", "/d1 /d2"),
    ])
  func rewritten(_ old: String, _ new: String) throws {
    let found = findings(old, new)
    if old == Self.a {
      #expect(found.map(\.severity) == [.error])
    } else {
      #expect(found.map(\.rule) == ["volumes-pools-text"] && found[0].severity == .warning)
    }
  }

  @Test("going to what is not known, and from there, is refused: two steps are not a way round")
  func unknown() throws {
    let config = VolumePools(unknown: "its configuration file /etc/minio.yaml names its pools")
    func said(_ old: VolumePools, _ new: VolumePools) -> String? {
      let found = new.findings(insteadOf: old, of: "the running server", isRefused: true)
      return found.first { $0.severity == .error }?.message
    }
    let known = Self.pools(Self.a)
    #expect(said(config, config) == nil)
    #expect(
      try #require(said(known, config)).contains(
        "which pools a start would have is not known (its configuration file /etc/minio.yaml names its pools), and the running server has pool 1 (\(Self.a))"
      ))
    #expect(
      try #require(said(config, known)).contains(
        "MINIO_VOLUMES may change the pools: a start would have pool 1 (\(Self.a)), and which ones the running server has is not known"
      ))
    #expect(said(known, Self.pools(""))?.contains("MINIO_VOLUMES names no drive") == true)
    #expect(said(config, VolumePools(unknown: "its option --x is not known here")) != nil)
  }

  @Test("a drive without a port has the server's")
  func port() {
    let (bare, full) = ("http://minio-{1...2}/d", "http://minio-{1...2}:9100/d")
    func rules(_ port: UInt16) -> [String] {
      VolumePools([full], port: port).findings(
        insteadOf: VolumePools([bare], port: port), of: "the running server", isRefused: true
      ).map(\.rule)
    }
    #expect(rules(9_100) == ["volumes-pools-text"])
    #expect(rules(9_000) == ["volumes-pools"])
    let arguments = ServerArguments(
      arguments: ["server", "--address", ":9100"], environment: ["MINIO_VOLUMES": bare])
    #expect(arguments.volumes.hosts.places.map(\.port) == [9_100, 9_100])
    #expect(
      VolumePools([full], port: 9_100).findings(
        insteadOf: arguments.volumes.named, of: "the running server", isRefused: true
      ).map(\.rule) == ["volumes-pools-text"])
  }

  @Test("what decides is named: MINIO_ARGS before MINIO_VOLUMES, or the command line")
  func source() {
    func said(_ arguments: [String], _ environment: [String: String]) -> String? {
      ServerArguments(arguments: ["server"] + arguments, environment: environment).volumes.named
        .findings(insteadOf: Self.pools(Self.a), of: "the running server", isRefused: true)
        .first?.message
    }
    let environment = ["MINIO_ARGS": Self.b, "MINIO_VOLUMES": Self.a]
    #expect(said([], environment)?.hasPrefix("MINIO_ARGS would change the pools") == true)
    #expect(
      said([Self.b], [:])?.hasPrefix("the server's command line would change the pools") == true)
  }

  @Test("many pools that stand for many drives are compared by their texts, in bounded time")
  func bound() {
    func pools(_ count: Int, _ drives: Int) -> String {
      (1...count).map { "http://n\($0)/d{1...\(drives)}" }.joined(separator: " ")
    }
    let wide = pools(2_000, 4_096)
    #expect(findings(wide, "\(wide) \(Self.b)") == [])
    let found = findings(wide, pools(2_000, 4_095))
    #expect(found.map(\.severity) == [.error])
    #expect(found[0].message.contains("and 1996 more"))
    #expect(findings(pools(2_000, 2), pools(1_999, 2)).map(\.severity) == [.error])
    let long = "http://n{1...4}/" + String(repeating: "d", count: 2_000)
    #expect(findings(long, long + "e").map(\.severity) == [.error])
  }

  @Test("patterns that are too large or not understood are compared as they are written")
  func text() {
    let wide = "http://minio-{1...4096}/d{1...64}"
    #expect(findings(wide, "\(wide) \(Self.b)") == [])
    #expect(findings(wide, wide.replacing("64", with: "63")).map(\.severity) == [.error])
    #expect(findings("/d{a...f}", "/d{a...f} /e{a...f}") == [])
    #expect(findings("/d{a...f}", "/d{a...e}").map(\.severity) == [.error])
  }

  @Test("a pool that loses hosts is told with what that means, one that loses none is not")
  func losses() {
    func inventory(_ numbers: [Int]) -> Inventory {
      Inventory(
        cluster: "prod", nodes: numbers.map { .init(name: "minio-\($0)", address: "minio-\($0)") },
        outsideNodes: ["minio-4"])
    }
    func losses(_ left: [Int]) -> [String] {
      Self.pools("\(Self.a) \(Self.b)").losses(
        from: inventory(Array(1...8)), to: inventory(left + Array(5...8)))
    }
    #expect(losses([1, 2, 3, 4]) == [])
    for (left, text) in [
      (
        [1, 2, 3], "pool 1 (\(Self.a)) keeps 3 of its 4 hosts: its objects can be read and written"
      ),
      ([1, 2], "keeps 2 of its 4 hosts: nothing can be written to it"),
      ([1], "keeps 1 of its 4 hosts: its objects can be neither read nor written"),
    ] {
      let told = losses(left)
      #expect(told.count == 1 && told[0].contains(text), "\(told)")
    }
    // Named otherwise in MINIO_VOLUMES.
    #expect(
      Self.pools("http://10.0.0.{1...8}/d").losses(
        from: inventory(Array(1...8)), to: inventory([1, 2])) == [])
  }
}
