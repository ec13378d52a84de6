// SPDX-License-Identifier: Apache-2.0
import Glibc
import JSONCoding
import TestSupport
import Testing

/// A lab with an S3 client's configuration: an alias for each node, as the root user, and some more.
struct BucketLab {
  let lab: Lab
  /// The folder of the S3 client.
  let configuration: String
  /// Who has secrets that must be nowhere.
  static let (user, secret) = ("second-user", "secret-of-the-second-user")
  static let rootSecret = "lab-admin-password"

  /// What boto3 sees of a bucket.
  struct Seen: Decodable, Equatable {
    /// Algorithm and key.
    var encryption: [String]?
    /// Every version and delete marker.
    var objects: [String]
  }

  init(_ lab: Lab) throws {
    self.lab = lab
    configuration = lab.directory.path
    try #require(Python.isInstalled, "run scripts/install-python")
    func alias(_ name: String, _ url: String, _ user: String, _ secret: String) -> String {
      """
      "\(name)": {"url": "\(url)", "accessKey": "\(user)", "secretKey": "\(secret)", "api": "S3v4", "path": "auto"}
      """
    }
    let node = "http://minio-1:9000"
    let nodes = lab.nodes.map { alias($0, "http://\($0):9000", "lab-admin", Self.rootSecret) }
    let others = [
      alias("second", node, Self.user, Self.secret),
      alias("nobody", node, "nobody-here", Self.rootSecret),
      alias("wrong", node, "lab-admin", "another-password"),
      alias("moto", "http://127.0.0.1:5000", "any-user", "any-secret"),
    ]
    _ = try lab.file(
      "config.json",
      "{\"version\": \"10\", \"aliases\": {\((nodes + others).joined(separator: ",\n"))}}\n")
  }

  /// `keyturn bucket ...` by an alias.
  func keyturn(
    _ arguments: String..., alias: String = "minio-1"
  ) throws -> Subprocess.Outcome {
    try lab.keyturn(
      ["bucket"] + arguments + ["--alias", alias, "--mc-config-dir", configuration])
  }

  /// The same, and it must end so and say this; what it said.
  @discardableResult
  func expect(
    _ status: Int32, _ words: [String] = [], _ arguments: String..., alias: String = "minio-1",
    at location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let outcome = try lab.keyturn(
      ["bucket"] + arguments + ["--alias", alias, "--mc-config-dir", configuration])
    let said = outcome.stdout + outcome.stderr
    #expect(outcome.status == status, "\(arguments): \(said)", sourceLocation: location)
    for word in words {
      #expect(said.contains(word), "\(arguments): no \(word) in: \(said)", sourceLocation: location)
    }
    return said
  }

  /// What boto3 says to a command of Tests/Fixtures/Python/buckets.py.
  @discardableResult
  func boto3(_ arguments: String..., alias: String = "minio-1") throws -> String {
    try lab.run(
      "\(Python.path) \(Python.program("buckets.py")) \(configuration)/config.json \(alias) "
        + arguments.map { "'\($0)'" }.joined(separator: " "))
  }

  /// All buckets, by boto3.
  func seen(alias: String = "minio-2") throws -> [String: Seen] {
    try JSON.decode([String: Seen].self, from: Array(boto3("show", alias: alias).utf8))
  }

  /// Lines of the behaviour file of a node's server, which it reads again for each request; none
  /// without.
  func behave(_ lines: String..., on node: String = "minio-1") throws {
    try lab.exec(
      node, "cat >/run/standin-minio && chmod 644 /run/standin-minio",
      input: lines.joined(separator: "\n") + "\n")
  }
}
