// SPDX-License-Identifier: Apache-2.0
import HTTP
import JSONCoding
import Secrets
import TestSupport
import Testing
import Threads

/// Signatures beside those of botocore, the client library of AWS (scripts/install-python).
@Suite(.enabled(if: Python.isInstalled, "scripts/install-python makes .build/python"))
struct SignatureV4BotocoreTests {
  /// What Tests/Fixtures/Python/signed-requests.py prints.
  private struct Signed: Decodable {
    var method: String
    var host: String
    var path: String
    var query: [[String]]
    var headers: [[String]]
    /// Hexadecimal digits.
    var body: String
    var access: String
    var secret: String
    var token: String?
    var region: String
    var signsBody: Bool
    var seconds: Int64
    /// What stands in X-Amz-Date.
    var time: String
    var authorization: String

    /// The same request before it is signed.
    var request: HTTPRequest {
      var headers = HTTPHeaders()
      for header in self.headers { headers.add(header[0], header[1]) }
      if let token { headers.add("x-amz-security-token", token) }
      return HTTPRequest(
        method, path, query: query.map { (name: $0[0], value: $0[1]) }, headers: headers,
        body: bytes)
    }

    var credentials: AccessCredentials {
      AccessCredentials(accessKey: Secret(access), secretKey: Secret(secret))
    }

    private var bytes: [UInt8] {
      let digits = Array(body.utf8).map { $0 < 0x60 ? $0 - 0x30 : $0 - 0x57 }
      return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
  }

  private static let count = 1_000

  @Test("1,000 requests by chance are signed as botocore signs them")
  func compare() throws {
    let printed = try Python.run(
      "signed-requests.py", ["2026", "\(Self.count)"], until: .inMilliseconds(60_000))
    let lines = printed.split(separator: "\n")
    var (withToken, withoutBody, withRepeated) = (0, 0, 0)
    for line in lines {
      let signed = try JSON.decode(Signed.self, from: Array(line.utf8))
      #expect(authorization(of: signed) == signed.authorization, "\(line)")
      if signed.token != nil { withToken += 1 }
      if !signed.signsBody { withoutBody += 1 }
      if Set(signed.query.map { $0[0] }).count < signed.query.count { withRepeated += 1 }
    }
    #expect(lines.count == Self.count)
    // Chance made some of each kind.
    #expect(withToken > 100 && withoutBody > 100 && withRepeated > 100)
  }

  private func authorization(of signed: Signed) -> String? {
    if signed.signsBody {
      return SignatureV4.sign(
        signed.request, host: signed.host, as: signed.credentials, region: signed.region,
        microseconds: signed.seconds * 1_000_000
      ).headers["authorization"]
    }
    // The product signs every body; a server must know those who do not.
    var request = signed.request
    request.headers.add(SignatureV4.timeField, signed.time)
    request.headers.add(SignatureV4.digestField, "UNSIGNED-PAYLOAD")
    let fields = Set(request.headers.fields.map(\.name) + ["host"]).sorted()
    let signature = SignatureV4(time: signed.time, region: signed.region, fields: fields)
    let text = signature.text(of: request, host: signed.host, key: signed.credentials.secretKey)
    return "\(SignatureV4.algorithm) Credential=\(signed.access)/\(signature.scope), "
      + "SignedHeaders=\(fields.joined(separator: ";")), Signature=\(text)"
  }
}
