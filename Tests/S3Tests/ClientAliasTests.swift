// SPDX-License-Identifier: Apache-2.0
import Model
import Secrets
import Testing

@testable import S3

/// What mc writes and takes, by its documentation and source (github.com/minio/mc, 2025-11).
@Suite struct ClientAliasTests {
  /// `https://host:port as ACCESS/SECRET/TOKEN, path style`.
  private static func text(_ alias: ClientAlias) -> String {
    let token = alias.credentials.sessionToken.map { "/\($0.reveal())" } ?? ""
    return
      "\(alias.endpoint.text) \(alias.credentials.keys.accessKey.reveal())/\(alias.credentials.keys.secretKey.reveal())\(token) \(alias.endpoint.style)"
  }

  @Test(
    "MC_HOST_ALIAS in its forms",
    arguments: [
      (
        "https://ann:word@minio-1.example.net:9000",
        "https://minio-1.example.net:9000 ann/word path"
      ),
      ("http://ann:word@minio-1", "http://minio-1 ann/word path"),
      ("https://ann:word@minio-1:443/", "https://minio-1 ann/word path"),
      // The token is what follows the second colon.
      ("https://ann:word:to/ken==@minio:9000", "https://minio:9000 ann/word/to/ken== path"),
      ("https://ann:word:a:b@c@minio:9000", "https://minio:9000 ann/word/a:b@c path"),
      ("https://ann:word:@minio:9000", "https://minio:9000 ann/word path"),
      // An @ in a secret, and what looks percent-encoded, are what they are.
      ("https://ann:w@rd%2F+/@minio:9000", "https://minio:9000 ann/w@rd%2F+/ path"),
      ("https://ann:word@[2001:db8::1]:9000", "https://[2001:db8::1]:9000 ann/word path"),
      (" https://ann:word@10.0.0.1:9000\n", "https://10.0.0.1:9000 ann/word path"),
      (
        "https://ann:word@s3.eu-west-1.amazonaws.com",
        "https://s3.eu-west-1.amazonaws.com ann/word virtualHost"
      ),
    ])
  func variable(value: String, expected: String) throws {
    #expect(Self.text(try ClientAliases.variable(value)) == expected)
  }

  @Test(
    "a value that is none is refused without a word of it",
    arguments: [
      "", "minio:9000", "ann:word@minio", "ftp://ann:word@minio", "https://minio:9000",
      "https://ann@minio:9000", "https://:word@minio", "https://ann:@minio",
      "https://ann:word@minio/bucket", "https://ann:word@minio?x", "https://ann:word@",
      "https://ann:word@minio:99999",
    ])
  func refused(value: String) {
    let error = #expect(throws: ClientAliasProblem.self) { try ClientAliases.variable(value) }
    #expect(error?.reason.contains("word") == false)
  }

  private static func file(_ fields: String, version: String = "10", list: String = "aliases")
    -> [UInt8]
  {
    Array("{\"version\":\"\(version)\",\"\(list)\":{\"primary\":{\(fields)}}}".utf8)
  }

  @Test(
    "entries of config.json in their forms",
    arguments: [
      (
        #""url":"https://minio:9000","accessKey":"ann","secretKey":"word","api":"S3v4","path":"auto""#,
        "https://minio:9000 ann/word path"
      ),
      (
        #""url":"https://minio:9000/","accessKey":"ann","secretKey":"word","api":"s3v4","path":"off""#,
        "https://minio:9000 ann/word virtualHost"
      ),
      (
        #""url":"http://minio","accessKey":"ann","secretKey":"word","api":"","path":"on""#,
        "http://minio ann/word path"
      ),
      // mc compares it without regard to case.
      (
        #""url":"https://minio:9000","accessKey":"ann","secretKey":"word","api":"S3v4","path":"OFF""#,
        "https://minio:9000 ann/word virtualHost"
      ),
      (
        #""url":"https://minio","accessKey":"ann","secretKey":"word","sessionToken":"tok","path":"dns""#,
        "https://minio ann/word/tok virtualHost"
      ),
      (
        #""url":"https://s3.amazonaws.com","accessKey":"ann","secretKey":"word","api":"S3v4","path":"path","license":"x","apiKey":"y","src":"z""#,
        "https://s3.amazonaws.com ann/word path"
      ),
      (
        #""url":"https://[::1]:9000","accessKey":"ann","secretKey":"w\"o\\rd","api":"S3v4""#,
        "https://[::1]:9000 ann/w\"o\\rd path"
      ),
    ])
  func file(fields: String, expected: String) throws {
    let alias = try ClientAliases.file(Self.file(fields), alias: "primary")
    #expect(alias.map(Self.text) == expected)
  }

  @Test("version 9 has hosts and lookup; an alias that is not there is none")
  func older() throws {
    let bytes = Self.file(
      #""url":"https://minio:9000","accessKey":"ann","secretKey":"word","api":"S3v4","lookup":"dns""#,
      version: "9", list: "hosts")
    let alias = try ClientAliases.file(bytes, alias: "primary")
    #expect(alias.map(Self.text) == "https://minio:9000 ann/word virtualHost")
    #expect(ClientAliases.names(bytes) == ["primary"])
    #expect(try ClientAliases.file(bytes, alias: "other") == nil)
  }

  @Test(
    "an entry that cannot be used says what it lacks, and none of its secret",
    arguments: [
      (
        #""url":"http://localhost:9000","accessKey":"","secretKey":"word","api":"S3v4""#,
        "no access key"
      ),
      (
        #""url":"https://minio","accessKey":"ann","secretKey":"word","api":"S3v2""#,
        "S3v4 signatures"
      ),
      (
        #""url":"https://minio","accessKey":"ann","secretKey":"word","path":"both""#, "none of auto"
      ),
      (#""url":"minio:9000","accessKey":"ann","secretKey":"word""#, "no URL"),
      (
        #""url":"https://ann:word@minio","accessKey":"ann","secretKey":"word""#,
        "credentials stand in it"
      ),
      (#""accessKey":"ann","secretKey":"word""#, "is not mc's configuration"),
    ])
  func unusable(fields: String, words: String) {
    let error = #expect(throws: ClientAliasProblem.self) {
      try ClientAliases.file(Self.file(fields), alias: "primary")
    }
    #expect(error?.reason.contains(words) == true, "\(error?.reason ?? "")")
    #expect(error?.reason.contains("word") == false)
  }

  // MARK: AWS's files

  private static let credentials = """
    # people
    [default]
    aws_access_key_id = A
    aws_secret_access_key=S=/+x
    [prod]
    aws_access_key_id=P
    aws_secret_access_key = Q
    aws_session_token = T
    [half]
    aws_access_key_id = H
    """
  private static let config = """
    [default]
    region = eu-1
    [profile prod]
    region=us-2
    endpoint_url = https://minio:9000
    ca_bundle = /etc/ca.pem
    s3 =
      addressing_style = virtual
      max_concurrent_requests = 1
    ; a comment
    [profile role]
    role_arn = arn:aws:iam::1:role/x
    [prod]
    region = never
    """

  private static func profile(_ name: String) -> AWSProfile {
    AWSProfile(name, credentials: Array(credentials.utf8), config: Array(config.utf8))
  }

  @Test("profiles of AWS's shared files")
  func profiles() {
    let standard = Self.profile("default")
    #expect(standard.credentials?.keys.secretKey.reveal() == "S=/+x")
    #expect(standard.credentials?.sessionToken == nil)
    #expect(standard.region == "eu-1" && standard.endpoint == nil && standard.style == nil)
    let prod = Self.profile("prod")
    #expect(prod.credentials?.keys.accessKey.reveal() == "P")
    #expect(prod.credentials?.sessionToken?.reveal() == "T")
    #expect(prod.region == "us-2" && prod.endpoint == "https://minio:9000")
    #expect(prod.authorityFile == "/etc/ca.pem" && prod.style == .virtualHost)
    let role = Self.profile("role")
    #expect(role.isPresent && role.credentials == nil && role.unsupported == "role_arn")
    #expect(Self.profile("half").credentials == nil)
    #expect(!Self.profile("none").isPresent)
  }

  @Test(
    "a bucket's name by the rules of S3",
    arguments: [
      ("data", true), ("a.b-c", true), ("abc", true), (String(repeating: "a", count: 63), true),
      ("ab", false), (String(repeating: "a", count: 64), false), ("Data", false), ("-data", false),
      ("data-", false), ("a..b", false), ("a.-b", false), ("a_b", false), ("1.2.3.4", false),
      ("1.2.3", true), ("dätä", false), ("a/b", false),
    ])
  func names(name: String, isOne: Bool) { #expect((BucketName.problem(name) == nil) == isOne) }

  @Test("a Date field is read, and nothing else")
  func dates() {
    #expect(HTTPDate.seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
    #expect(HTTPDate.seconds("Sunday, 06-Nov-94 08:49:37 GMT") == nil)
    #expect(HTTPDate.seconds("Sun, 06 Nov 1994 24:49:37 GMT") == nil)
    #expect(HTTPDate.seconds("") == nil)
  }
}
