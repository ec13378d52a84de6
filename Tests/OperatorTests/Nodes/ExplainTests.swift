// SPDX-License-Identifier: Apache-2.0
import API
import Model
@testable import Operator
import Testing

@Suite struct ExplainCommandTests {
  private func answer(
    _ name: String, _ definitions: [ExplainedDefinition], suggestion: String? = nil
  ) -> FakeAgent {
    FakeAgent(
      name,
      explained: ExplainAnswer(
        node: name, name: "MINIO_KMS_SSE_KEY", definitions: definitions, suggestion: suggestion))
  }
  private let file = ExplainedDefinition(
    place: "/etc/default/minio", line: 3, value: "key-1", effect: .overridden, reason: "")
  private let config = ExplainedDefinition(
    place: "/etc/minio/config.env", line: 7, value: "key-2", effect: .wins, reason: "")

  @Test("nodes that agree are shown together, each definition with what comes of it")
  func folded() {
    let agents = Sample.names.map { name in
      var alone = file
      alone.effect = .wins
      return answer(name, name == "minio-3" ? [alone] : [file, config])
    }
    let (code, host) = Sample.run("explain MINIO_KMS_SSE_KEY", agents)
    #expect(code == .done)
    #expect(
      host.output == """
        minio-[1-2,4]
          overridden /etc/default/minio line 3: key-1
          wins       /etc/minio/config.env line 7: key-2
        minio-3
          wins       /etc/default/minio line 3: key-1

        """)
  }

  @Test("a variable that is not set is said so, with the name that was meant")
  func unknown() {
    let agents = Sample.names.map { answer($0, [], suggestion: "MINIO_KMS_SSE_KEY") }
    let (code, host) = Sample.run("explain MINIO_KMS_SSE_KEY", agents)
    #expect(code == .done)
    #expect(host.output.contains("  MINIO_KMS_SSE_KEY is not set; did you mean MINIO_KMS_SSE_KEY?"))
    var unset = file
    (unset.effect, unset.reason) = (.unset, "UnsetEnvironment= of minio.service")
    let taken = Sample.run("explain MINIO_KMS_SSE_KEY", Sample.names.map { answer($0, [unset]) })
    #expect(
      taken.host.output.contains(
        "  unset      /etc/default/minio line 3: key-1: UnsetEnvironment= of minio.service\n"
          + "  MINIO_KMS_SSE_KEY is not set\n"))
  }

  @Test("a node that does not answer makes it unknown, the others are shown")
  func unreachable() {
    let agents = Sample.names.map {
      $0 == "minio-2" ? FakeAgent($0, .unreachable) : answer($0, [config])
    }
    let (code, host) = Sample.run("explain MINIO_KMS_SSE_KEY", agents)
    #expect(code == .unknown)
    #expect(host.output.contains("minio-[1,3-4]\n  wins "))
    #expect(!host.output.contains("minio-2"))
    #expect(host.errors.contains("minio-2: connect to minio-2:7377: connection refused"))
  }

  @Test("--json prints an event for each node with every definition, and the result")
  func json() {
    let (code, host) = Sample.run(
      "explain MINIO_KMS_SSE_KEY --json", Sample.names.map { answer($0, [file, config]) })
    #expect(code == .done)
    #expect(host.lines.count == Sample.names.count + 1)
    let first = host.lines.first ?? ""
    #expect(first.contains(#""event":"explain""#))
    #expect(first.contains(#""value":"key-2""#))
    #expect(first.contains(#""effect":"overridden""#))
    #expect(first.contains(#""line":7"#))
  }

  @Test("the variable must be named, and be one")
  func usage() {
    #expect(Sample.run("explain", []).code == .usage)
    #expect(Sample.run("explain MINIO-OPTS", []).code == .usage)
  }
}
