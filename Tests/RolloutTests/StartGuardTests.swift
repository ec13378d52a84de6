// SPDX-License-Identifier: Apache-2.0
@testable import Rollout
import Testing

@Suite("Start guard")
struct StartGuardTests {
  private static let seal = Seal(
    cluster: "prod", keyName: "key-1", enclave: "store", rollout: "00000000000000aa",
    sealedAtMicroseconds: 1)

  private func variable(_ environment: String?, _ file: [String] = []) -> StartGuard.Variable {
    StartGuard.Variable(
      environment: environment.map { .init(value: $0, place: "the environment") },
      file: file.enumerated().map { .init(value: $1, place: "the file, line \($0 + 1)") })
  }

  @Test(
    "the sealed key in its enclave passes, from whichever place counts",
    arguments: [
      ("key-1", []), ("key-2", ["key-1"]), (nil, ["key-1"]), (nil, ["key-1", "key-1"]),
    ] as [(String?, [String])])
  func passes(environment: String?, file: [String]) {
    let enclave = variable("store")
    #expect(
      StartGuard.problem(seal: Self.seal, key: variable(environment, file), enclave: enclave) == nil
    )
  }

  @Test(
    "another key, an empty one, none, a second definition and another form of the same text are refused",
    arguments: [
      ("key-2", [], "\"key-2\" in the environment"), ("", [], "empty in the environment"),
      (nil, [], "is missing"), ("key-1", ["key-2"], "\"key-2\" in the file, line 1"),
      ("key-1", [""], "empty in the file"), ("key-1 ", [], "\"key-1 \""),
      ("key-1", ["key-1", "key-2"], "defined 2 times, not alike, in the file, line 1 and the"),
      ("key-1\nMINIO_ROOT_PASSWORD=hunter2", [], "something that is no name"),
      ("k1:2COl4dS3G-cjHa3Q", [], "something like an API key"),
    ] as [(String?, [String], String)])
  func refused(environment: String?, file: [String], message: String) throws {
    let problem = try #require(
      StartGuard.problem(
        seal: Self.seal, key: variable(environment, file), enclave: variable("store")))
    #expect(problem.contains(message), "\(problem)")
    #expect(!problem.contains("k1:") && !problem.contains("hunter2"))
  }

  @Test(
    "a seal that was removed or damaged lets nothing pass, one that was lifted or never was all")
  func records() {
    func problem(_ record: SealRecord) -> String? {
      StartGuard.problem(record: record, key: variable("key-1"), enclave: variable("store"))
    }
    #expect(problem(.unsealed(lifted: nil)) == nil)
    #expect(problem(.unsealed(lifted: Self.seal.digest)) == nil)
    #expect(problem(.sealed(Self.seal)) == nil)
    #expect(problem(.missing)?.contains("removed") == true)
    #expect(problem(.damaged("why")) == "the seal is damaged: why")
  }

  @Test("composed and decomposed characters are two keys")
  func bytes() {
    var seal = Self.seal
    seal.keyName = "cl\u{E9}"
    let key = variable("cle\u{301}")
    #expect(StartGuard.problem(seal: seal, key: key, enclave: variable("store")) != nil)
  }

  @Test("the same name in another enclave, or in none, is refused", arguments: ["other", nil])
  func enclave(value: String?) {
    #expect(
      StartGuard.problem(seal: Self.seal, key: variable("key-1"), enclave: variable(value)) != nil)
  }

  @Test("a seal without an enclave allows an environment without one")
  func noEnclave() {
    var seal = Self.seal
    seal.enclave = ""
    #expect(StartGuard.problem(seal: seal, key: variable("key-1"), enclave: variable(nil)) == nil)
    #expect(StartGuard.problem(seal: seal, key: variable("key-1"), enclave: variable("x")) != nil)
  }
}
