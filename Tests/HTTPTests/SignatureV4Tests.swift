// SPDX-License-Identifier: Apache-2.0
import HTTP
import Secrets
import Testing

/// The examples of "Signature Calculations for the Authorization Header" in the reference of Amazon
/// S3's API, and of the test suite that AWS published for the algorithm.
@Suite struct SignatureV4Tests {
  private static let credentials = AccessCredentials(
    accessKey: Secret("AKIAIOSFODNN7EXAMPLE"),
    secretKey: Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
  private static let host = "examplebucket.s3.amazonaws.com"
  /// 2013-05-24T00:00:00Z.
  private static let time: Int64 = 1_369_353_600_000_000

  private func authorization(_ request: HTTPRequest) -> String {
    SignatureV4.sign(
      request, host: Self.host, as: Self.credentials, microseconds: Self.time
    ).headers["authorization"] ?? ""
  }

  @Test("AWS's example of a GET with a Range field is signed as published")
  func getObject() {
    let request = HTTPRequest("GET", "/test.txt", headers: ["Range": "bytes=0-9"])
    #expect(
      authorization(request)
        == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
  }

  @Test("AWS's example of a PUT with a body and a path to be encoded is signed as published")
  func putObject() {
    let request = HTTPRequest(
      "PUT", "/test$file.text",
      headers: [
        "Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY",
      ], body: Array("Welcome to Amazon S3.".utf8))
    #expect(
      authorization(request).hasSuffix(
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"))
  }

  @Test("AWS's example of a query name without a value is signed as published")
  func lifecycle() {
    let request = HTTPRequest("GET", "/", query: [("lifecycle", "")])
    #expect(
      authorization(request).hasSuffix(
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"))
  }

  @Test("AWS's example of a query with values is signed as published, in any order")
  func listObjects() {
    for query in [
      [(name: "max-keys", value: "2"), (name: "prefix", value: "J")],
      [(name: "prefix", value: "J"), (name: "max-keys", value: "2")],
    ] {
      #expect(
        authorization(HTTPRequest("GET", "/", query: query)).hasSuffix(
          "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"))
    }
  }

  @Test("the first case of AWS's test suite, without a field for the body, is signed as published")
  func vanilla() {
    let request = HTTPRequest("GET", "/", headers: ["x-amz-date": "20150830T123600Z"])
    let signature = SignatureV4(
      time: "20150830T123600Z", region: "us-east-1", service: "service",
      fields: ["host", "x-amz-date"])
    #expect(
      signature.text(
        of: request, host: "example.amazonaws.com",
        key: Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
        == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
  }

  @Test("another key, host, time, path, field or body gives another signature")
  func differs() {
    let plain = HTTPRequest("PUT", "/a", body: [1])
    var other = Self.credentials
    other.secretKey = Secret("another")
    let signed: [HTTPRequest] = [
      SignatureV4.sign(plain, host: "a", as: Self.credentials, microseconds: Self.time),
      SignatureV4.sign(plain, host: "a", as: other, microseconds: Self.time),
      SignatureV4.sign(plain, host: "b", as: Self.credentials, microseconds: Self.time),
      SignatureV4.sign(plain, host: "a", as: Self.credentials, microseconds: Self.time + 1_000_000),
      SignatureV4.sign(
        HTTPRequest("PUT", "/b", body: [1]), host: "a", as: Self.credentials,
        microseconds: Self.time),
      SignatureV4.sign(
        HTTPRequest("PUT", "/a", headers: ["x": "1"], body: [1]), host: "a",
        as: Self.credentials, microseconds: Self.time),
      SignatureV4.sign(
        HTTPRequest("PUT", "/a", body: [2]), host: "a", as: Self.credentials,
        microseconds: Self.time),
    ]
    let signatures = signed.compactMap { $0.headers["authorization"]?.suffix(64) }
    #expect(Set(signatures).count == signed.count)
  }

  @Test("no secret key stands in a signed request, nor in its description")
  func secret() {
    let signed = SignatureV4.sign(
      HTTPRequest("GET", "/"), host: "a", as: Self.credentials, microseconds: Self.time)
    #expect(!String(decoding: signed.bytes(host: "a"), as: UTF8.self).contains("wJalrXUtnFEMI"))
    #expect(!"\(Self.credentials)".contains("wJalr") && !"\(Self.credentials)".contains("AKIA"))
  }
}
