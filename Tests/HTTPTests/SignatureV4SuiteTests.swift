// SPDX-License-Identifier: Apache-2.0
import HTTP
import Secrets
import Testing

/// The cases of the test suite that AWS publishes for the algorithm (github.com/awslabs/aws-c-auth,
/// `tests/aws-signing-test-suite/v4`, signatures in a header field), each by what it asks and the
/// signature that it must give.
///
/// The suite is for any service. Most have the path normalised before it is signed, S3 has not: where
/// the suite says "normalised", the path stands here as it is afterwards, and where it does not, with
/// its dots and slashes. A folded field value stands here as RFC 9112, 5.2 has it unfolded.
@Suite struct SignatureV4SuiteTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var method = "GET"
    var path = "/"
    var query: [[String]] = []
    var headers: [[String]] = []
    var body = ""
    var signature: String

    var testDescription: String { name }
  }

  private static let time = "20150830T123600Z"
  private static let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
  private static let postVanilla =
    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
  private static let space = "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"
  private static let postQuery =
    "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"
  private static let unreserved =
    "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
  private static let token =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
  private static let formDigest =
    "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"

  private static let fields: [Case] = [
    Case(name: "plain", signature: vanilla),
    Case(
      name: "one field three times",
      headers: [["My-Header1", "value2"], ["My-Header1", "value2"], ["My-Header1", "value1"]],
      signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    Case(
      name: "a folded field",
      headers: [["My-Header1", "value1    value2       value3"]],
      signature: "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"),
    Case(
      name: "values of one field, not sorted",
      headers: [
        ["My-Header1", "value4"], ["My-Header1", "value1"], ["My-Header1", "value3"],
        ["My-Header1", "value2"],
      ],
      signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    Case(
      name: "blanks before, and runs of them within quotation marks",
      headers: [["My-Header1", " value1"], ["My-Header2", " \"a   b   c\""]],
      signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    Case(
      name: "a session token",
      headers: [
        [
          "X-Amz-Security-Token",
          "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
        ]
      ],
      signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
    Case(name: "POST", method: "POST", signature: postVanilla),
    Case(name: "POST, names in another case", method: "POST", signature: postVanilla),
    Case(
      name: "POST, sorted names", method: "POST", headers: [["My-Header1", "value1"]],
      signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    Case(
      name: "POST, a value in upper case", method: "POST", headers: [["My-Header1", "VALUE1"]],
      signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    Case(name: "POST, a token added after it was signed", method: "POST", signature: postVanilla),
    Case(
      name: "POST, a token that is signed", method: "POST",
      headers: [["X-Amz-Security-Token", token]],
      signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
    Case(
      name: "POST, a form", method: "POST",
      headers: [
        ["Content-Type", "application/x-www-form-urlencoded"], ["Content-Length", "13"],
        ["X-Amz-Content-Sha256", formDigest],
      ], body: "Param1=value1",
      signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
    Case(
      name: "POST, a form with a character set", method: "POST",
      headers: [
        ["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"],
        ["Content-Length", "13"], ["X-Amz-Content-Sha256", formDigest],
      ], body: "Param1=value1",
      signature: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"),
  ]

  private static let paths: [Case] = [
    Case(name: "/example/.. normalised", signature: vanilla),
    Case(
      name: "/example/..", path: "/example/..",
      signature: "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282"),
    Case(name: "/example1/example2/../.. normalised", signature: vanilla),
    Case(
      name: "/example1/example2/../..", path: "/example1/example2/../..",
      signature: "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b"),
    Case(name: "/./ normalised", signature: vanilla),
    Case(
      name: "/./", path: "/./",
      signature: "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145"),
    Case(name: "// normalised", signature: vanilla),
    Case(
      name: "//", path: "//",
      signature: "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e"),
    Case(
      name: "/./example normalised", path: "/example",
      signature: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    Case(
      name: "/./example", path: "/./example",
      signature: "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff"),
    Case(
      name: "//example// normalised", path: "/example/",
      signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    Case(
      name: "//example//", path: "//example//",
      signature: "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"),
    Case(name: "a blank, normalised", path: "/example space/", signature: space),
    Case(name: "a blank", path: "/example space/", signature: space),
    Case(
      name: "what is not reserved", path: "/" + unreserved,
      signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    Case(
      name: "a character beyond ASCII", path: "/\u{1234}",
      signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
  ]

  private static let queries: [Case] = [
    Case(name: "an empty query", signature: vanilla),
    Case(
      name: "one pair", query: [["Param1", "value1"]],
      signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    Case(
      name: "sorted by their encoded names",
      query: [["Param-3", "Value3"], ["Param", "Value2"], ["\u{1234}", "Value1"]],
      signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
    Case(
      name: "sorted names", query: [["Param2", "value2"], ["Param1", "value1"]],
      signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    Case(
      name: "not reserved in a query", query: [[unreserved, unreserved]],
      signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    Case(
      name: "beyond ASCII in a query", query: [["\u{1234}", "bar"]],
      signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    Case(
      name: "POST, one pair", method: "POST", query: [["Param1", "value1"]], signature: postQuery),
    Case(
      name: "POST, one pair, empty otherwise", method: "POST", query: [["Param1", "value1"]],
      signature: postQuery),
  ]

  @Test("a case of AWS's test suite is signed as published", arguments: fields + paths + queries)
  func published(_ test: Case) {
    var headers: HTTPHeaders = ["X-Amz-Date": Self.time]
    for header in test.headers { headers.add(header[0], header[1]) }
    let request = HTTPRequest(
      test.method, test.path, query: test.query.map { (name: $0[0], value: $0[1]) },
      headers: headers, body: Array(test.body.utf8))
    let signature = SignatureV4(
      time: Self.time, region: "us-east-1", service: "service",
      fields: Set(headers.fields.map(\.name) + ["host"]).sorted())
    #expect(
      signature.text(
        of: request, host: "example.amazonaws.com",
        key: Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")) == test.signature)
  }

  @Test("no case of the suite is left out")
  func count() { #expect((Self.fields + Self.paths + Self.queries).count == 38) }
}
