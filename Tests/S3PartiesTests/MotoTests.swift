// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import TestSupport
import Testing

/// The program beside an S3 server and a client that nobody here wrote: moto and boto3
/// (scripts/install-python). moto has no KMS API of MinIO's and believes every signature.
@Suite(.enabled(if: Python.isInstalled, "scripts/install-python makes .build/python"))
struct MotoTests {
  /// What boto3 sees of a bucket.
  private struct Seen: Decodable {
    /// Algorithm and key; nil without a default encryption.
    var encryption: [String]?
    /// The names of all versions and delete markers.
    var objects: [String]
  }

  private func seen(_ server: MotoServer) throws -> [String: Seen] {
    try JSON.decode([String: Seen].self, from: Array(try server.boto3("show").utf8))
  }

  @Test(
    "a bucket that is made encrypts, as boto3 sees it, and nothing of the proof is left; the second run changes nothing",
    arguments: [
      (["--key", "data-key"], ["aws:kms", "data-key"]), (["--sse-s3"], ["AES256", ""]),
    ])
  func made(_ how: [String], _ expected: [String]) throws {
    let server = try MotoServer()
    for isFirst in [true, false] {
      let outcome = try server.keyturn(
        "encrypt", "data", how[0], how.count > 1 ? how[1] : "--yes", "--create-bucket", "--json")
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.stdout.contains("\"proof\":\"proven\""), "\(outcome)")
      #expect(outcome.stdout.contains("\"changed\":\(isFirst)"), "\(outcome)")
      #expect(!outcome.stdout.contains("\"changed\":\(!isFirst)"), "\(outcome)")
      #expect(!(outcome.stdout + outcome.stderr).contains(MotoServer.secret))
      let data = try #require(try seen(server)["data"])
      #expect(data.encryption == expected)
      #expect(data.objects.isEmpty)
    }
  }

  @Test("buckets that keep versions or can lock objects are proven, and no version is left")
  func versions() throws {
    let server = try MotoServer()
    try server.boto3("make", "versioned", "versioned")
    try server.boto3("make", "locked", "locked")
    let outcome = try server.keyturnByAlias("encrypt", "versioned", "locked", "--key", "data-key")
    #expect(outcome.status == 0, "\(outcome)")
    let buckets = try seen(server)
    for name in ["versioned", "locked"] {
      #expect(buckets[name]?.encryption == ["aws:kms", "data-key"])
      #expect(buckets[name]?.objects == [])
    }
  }

  @Test(
    "a bucket that keeps every object is refused before anything is changed; --keep-proof names what stays"
  )
  func retained() throws {
    let server = try MotoServer()
    try server.boto3("make", "kept", "retained")
    let refused = try server.keyturn("encrypt", "kept", "--key", "data-key")
    #expect(refused.status == 5, "\(refused)")
    #expect(refused.stderr.contains("object lock, GOVERNANCE"))
    var kept = try #require(try seen(server)["kept"])
    #expect(kept.encryption == nil && kept.objects.isEmpty)

    let outcome = try server.keyturn("encrypt", "kept", "--key", "data-key", "--keep-proof")
    #expect(outcome.status == 0, "\(outcome)")
    kept = try #require(try seen(server)["kept"])
    #expect(kept.encryption == ["aws:kms", "data-key"])
    #expect(kept.objects.count == 2)
    for name in kept.objects { #expect((outcome.stdout + outcome.stderr).contains(name)) }
  }

  @Test("another default encryption is not replaced unasked, and is with --yes")
  func another() throws {
    let server = try MotoServer()
    try server.boto3("make", "other")
    try server.boto3("sse-s3", "other")
    let refused = try server.keyturn("encrypt", "other", "--key", "data-key")
    #expect(refused.status == 5, "\(refused)")
    #expect(try seen(server)["other"]?.encryption == ["AES256", ""])
    let outcome = try server.keyturn("encrypt", "other", "--key", "data-key", "--yes")
    #expect(outcome.status == 0, "\(outcome)")
    let other = try #require(try seen(server)["other"])
    #expect(other.encryption == ["aws:kms", "data-key"] && other.objects.isEmpty)
  }

  @Test(
    "a check names the bucket without default encryption; one that is missing is not made unasked")
  func check() throws {
    let server = try MotoServer()
    try server.boto3("make", "plain")
    #expect(try server.keyturn("encrypt", "data", "--sse-s3", "--create-bucket").status == 0)
    let good = try server.keyturnByAlias("check", "data", "--prove")
    #expect(good.status == 0, "\(good)")
    #expect(good.stdout.contains("proven"))
    let all = try server.keyturn("check", "--all")
    #expect(all.status == 1, "\(all)")
    #expect(all.stderr.contains("plain: it has no default encryption"))
    let missing = try server.keyturn("encrypt", "missing", "--sse-s3")
    #expect(missing.status == 5, "\(missing)")
    let buckets = try seen(server)
    #expect(buckets.keys.sorted() == ["data", "plain"])
    for bucket in buckets.values { #expect(bucket.objects.isEmpty) }
  }

  @Test("a server without MinIO's KMS API is asked to create no key: nothing is changed")
  func keys() throws {
    let server = try MotoServer()
    let outcome = try server.keyturn(
      "encrypt", "data", "--key", "data-key", "--create-key", "--create-bucket")
    #expect(outcome.status == 7, "\(outcome)")
    #expect(outcome.stderr.contains("no KMS API"))
    #expect(try seen(server).isEmpty)
  }
}
