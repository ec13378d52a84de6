// SPDX-License-Identifier: Apache-2.0
import Linux
import Model
import TestSupport
import Testing
import Threads

/// moto's S3 server on a free port of this host, and an operator's files with an access to it.
///
/// It ends with the last reference; Tests/Fixtures/Python/moto-server.py sees to it where the tests
/// themselves end first.
final class MotoServer: Sendable {
  static let alias = "moto"
  static let secret = "moto-secret-of-the-tests"

  let url: String
  private let process: BackgroundProcess
  private let home: TemporaryDirectory
  private let program: String

  init() throws {
    home = try TemporaryDirectory()
    process = try BackgroundProcess(
      Python.path, [Python.program("moto-server.py")], until: .inMilliseconds(300_000))
    let marker = "Running on "
    var found: String?
    _ = process.wait(until: .inMilliseconds(60_000)) { lines in
      guard let line = lines.first(where: { $0.text.contains(marker) })?.text else { return false }
      // Colours may follow it.
      found = line.split(separator: " ").first { $0.hasPrefix("http://") }
        .map { String($0.prefix { "htp:/.0123456789".contains($0) }) }
      return true
    }
    guard let found else {
      process.signal(9)
      let outcome = try process.outcome()
      throw Failure(text: "moto did not start: \(outcome.stdout.suffix(1_000))")
    }
    url = found
    // Beside the bundle of the tests, as the build leaves it.
    let bundle = CommandLine.arguments.first ?? ""
    program =
      bundle.split(separator: "/", omittingEmptySubsequences: false)
      .dropLast().joined(separator: "/") + "/keyturn"
    try write(
      "config.json",
      """
      {"version": "10", "aliases": {"\(Self.alias)": {"url": "\(url)", "accessKey": "moto",
      "secretKey": "\(Self.secret)", "api": "S3v4", "path": "auto"}}}
      """)
  }

  deinit { process.signal(9) }

  struct Failure: Error { var text: String }

  private func write(_ name: String, _ text: String) throws {
    let outcome = try Subprocess.run(
      "/bin/sh", ["-c", "umask 077; cat >\"$0\"", home.path(name)], input: text,
      until: .inMilliseconds(10_000))
    guard outcome.status == 0 else { throw Failure(text: outcome.stderr) }
  }

  /// `keyturn bucket ARGUMENTS --endpoint URL` with the access key in AWS's variables.
  func keyturn(_ arguments: String...) throws -> Subprocess.Outcome {
    try run(arguments + ["--endpoint", url])
  }

  /// `keyturn bucket ARGUMENTS --alias moto`.
  func keyturnByAlias(_ arguments: String...) throws -> Subprocess.Outcome {
    try run(arguments + ["--alias", Self.alias, "--mc-config-dir", home.path])
  }

  private func run(_ arguments: [String]) throws -> Subprocess.Outcome {
    try Subprocess.run(
      program, ["bucket"] + arguments,
      environment: [
        "HOME": home.path, "PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": "moto",
        "AWS_SECRET_ACCESS_KEY": Self.secret,
      ], until: .inMilliseconds(60_000))
  }

  /// What Tests/Fixtures/Python/buckets.py prints: boto3 does or sees it.
  @discardableResult func boto3(_ arguments: String...) throws -> String {
    try Python.run(
      "buckets.py", [home.path("config.json"), Self.alias] + arguments,
      until: .inMilliseconds(60_000))
  }
}
