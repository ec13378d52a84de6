// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import Secrets
import TestSupport
import Testing
import Threads

@testable import S3

@Suite struct AWSProfileTests {
  private func profile(
    _ name: String = "default", credentials: String? = nil, config: String? = nil
  ) -> AWSProfile {
    AWSProfile(
      name, credentials: credentials.map { Array($0.utf8) }, config: config.map { Array($0.utf8) })
  }

  private func text(_ profile: AWSProfile) -> [String?] {
    let found = profile.credentials
    return [
      found?.keys.accessKey.reveal(), found?.keys.secretKey.reveal(),
      found?.sessionToken?.reveal(), profile.region,
    ]
  }

  private static let keys = "aws_access_key_id = AK\naws_secret_access_key = SK\n"

  @Test("the credentials file wins over the config file, whose other values stay")
  func both() {
    let found = profile(
      credentials: "[default]\n" + Self.keys,
      config: "[default]\naws_access_key_id = other\naws_secret_access_key = other\nregion = eu-1\n"
    )
    #expect(text(found) == ["AK", "SK", nil, "eu-1"])
  }

  @Test("a session token counts only beside the keys that it came with")
  func token() {
    let found = profile(
      credentials: "[default]\n" + Self.keys, config: "[default]\naws_session_token = stale\n")
    #expect(text(found) == ["AK", "SK", nil, nil])
  }

  @Test("half of a key is not completed from the other file")
  func half() {
    let found = profile(
      credentials: "[default]\naws_access_key_id = AK\n",
      config: "[default]\naws_access_key_id = A\naws_secret_access_key = other\n")
    #expect(found.credentials == nil)
  }

  @Test("keys that are indented below their section, colons, blanks, comments and CRLF are read")
  func forms() {
    for file in [
      "[default]\n  aws_access_key_id = AK\n  aws_secret_access_key = SK\n",
      "[default]\n\taws_access_key_id=AK\n\n\taws_secret_access_key=SK\n",
      "[default]\naws_access_key_id: AK\naws_secret_access_key : SK\n",
      "# c\n[default]\n; c\nAWS_ACCESS_KEY_ID=AK\r\naws_secret_access_key=SK\r\n",
      "[other]\naws_access_key_id=X\n[default]\n" + Self.keys + "[more]\naws_access_key_id=Y\n",
    ] { #expect(text(profile(credentials: file)) == ["AK", "SK", nil, nil], "\(file)") }
  }

  @Test("profiles of the config file are named with their word, quoted where there are blanks")
  func names() {
    let config =
      "[profile ops]\nregion = r1\n[profile \"two words\"]\nregion = r2\n[ops]\nregion = no\n"
    #expect(profile("ops", config: config).region == "r1")
    #expect(profile("two words", config: config).region == "r2")
    #expect(!profile("other", config: config).isPresent)
  }

  @Test("nested values are those below an empty one")
  func nested() {
    let config = "[default]\ns3 =\n  addressing_style = virtual\nregion = r\n"
    #expect(profile(config: config).style == .virtualHost)
    #expect(profile(config: config).region == "r")
  }

  /// What Tests/Fixtures/Python/profiles.py prints.
  private struct Read: Decodable {
    var credentials: String
    var config: String
    var profile: String
    var access: String?
    var secret: String?
    var token: String?
    var region: String?
    var style: String?
  }

  @Test(
    "200 pairs of files by chance are read as botocore reads them",
    .enabled(if: Python.isInstalled, "scripts/install-python makes .build/python"))
  func botocore() throws {
    let printed = try Python.run(
      "profiles.py", ["2026", "200"], until: .inMilliseconds(60_000))
    let lines = printed.split(separator: "\n")
    var (withKeys, withToken) = (0, 0)
    for line in lines {
      let read = try JSON.decode(Read.self, from: Array(line.utf8))
      let found = profile(read.profile, credentials: read.credentials, config: read.config)
      #expect(text(found) == [read.access, read.secret, read.token, read.region], "\(line)")
      let style: S3Endpoint.Style? =
        switch read.style {
        case "path": .path
        case "virtual": .virtualHost
        default: nil
        }
      #expect(found.style == style, "\(line)")
      if read.access != nil { withKeys += 1 }
      if read.token != nil { withToken += 1 }
    }
    #expect(lines.count == 200)
    // Chance made some of each kind.
    #expect(withKeys > 100 && withToken > 50)
  }
}
