// SPDX-License-Identifier: Apache-2.0
@testable import KeyManager
import Model
import OpenSSL
import Secrets
import Testing

/// The identities of docs/facts.md, "Identity and TLS", and one of each curve made with the openssl
/// command.
let identityVectors = [
  (
    "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw", APIKey.Kind.ed25519,
    "h1:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE"
  ),
  (
    "k1:b_6Dhm4iqaGR1gd_CkAA_otcPtgaqS2Xixb_G95TJV8", .ed25519,
    "h1:xkDu-osB2iIgtaasijYuHUmu9_p4LQPZBk5XxKtG0Gw"
  ),
  (
    "k1:MBDtmC9ZAf3Wi4-oGglgKx_6T1jwJfct1IC15HOxetg", .ed25519,
    "h1:5gVQ6p2EqpfCkazbcB1gMB5SLWGcscaBlCM1AcJB4tI"
  ),
  (
    "k1:d7cY_5k8HbBGkZpoy2hGmvkxg83QDBXsA_nFXDfTk2E", .ed25519,
    "h1:Rvxa7nj8zkL48CeDkN6LhpX-K7KK6uhIhpBOcTHNhWw"
  ),
  (
    "k2:2qsDxbLA5fyqfMz9a1QG5csFwrm1YIAAgQOpDNyt2qA", .p256,
    "h1:apx4gmz6zTaxSdQXbZ8xEOnWkIYMyS7rkO630DkWHVk"
  ),
  (
    "k2:LhZNkY66RW4RzVga2KKb3s1D-QGGUw-zcHYgboFjbhJsqA7QRhW4ULcZG4W22MkU", .p384,
    "h1:7X51iddDmnzjCXqs4-2oYZ7GRL5xISAVc-6PZBY5IVs"
  ),
  (
    "k2:AHtHeLqwZHONW_T-jIQnhpLOZmoy7-v1ayWttPgTTX1g1eA9UK8xgIhmy5IY3H7yCnz_pO2zJXMm8HwQo_XWeePh",
    .p521, "h1:vCneq9YzPqsd1PFW61xLsWCl4xPlY5zg2KGiqL1mK6Q"
  ),
]

@Suite struct APIKeyTests {
  @Test("a key has the identity that the Key Manager knows it by", arguments: identityVectors)
  func identity(text: String, kind: APIKey.Kind, identity: String) throws {
    let key = try APIKey(Secret(text))
    #expect(key.kind == kind)
    #expect(key.identity.text == identity)
    #expect(Identity(identity) == key.identity)
  }

  @Test("a key gives its private half as PKCS#8 to the body only", arguments: identityVectors)
  func privateKeyInfo(text: String, kind: APIKey.Kind, identity: String) throws {
    let (count, publicKey) = try APIKey(Secret(text)).withPrivateKeyInfo { info in
      (info.count, PublicKey.subjectPublicKeyInfo(ofPrivateKey: info))
    }
    #expect(count > kind.byteCount)
    #expect(try Identity(subjectPublicKeyInfo: #require(publicKey)).text == identity)
  }

  @Test(
    "a malformed key is refused with what is wrong with it",
    arguments: [
      ("", "neither k1: nor k2:"),
      ("2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw", "neither k1: nor k2:"),
      ("K1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw", "neither k1: nor k2:"),
      ("k3:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw", "neither k1: nor k2:"),
      ("**********", "only asterisks"),
      ("k1:", "32 bytes (46 characters in all), this one 0"),
      ("k1:EREREREREREREREREREREREREREREREREREREREREQ", "this one 31"),
      ("k1:ERERERERERERERERERERERERERERERERERERERERERER", "this one 33"),
      ("k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiL", "no key has a text of 45 characters"),
      // The same 32 bytes with the two bits after them not zero: Go accepts it.
      ("k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLx", "no key has a text of 46 characters"),
      ("k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw=", "its character 47"),
      ("k1:2COl4dS3G+cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw", "its character 13"),
      ("k1:2COl4dS3G/cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw", "its character 13"),
      ("k1:2COl4dS3G-cjHa3Q-9fU\nmOrq8yL0Q7a12HH_Yi0oiLw", "its character 24"),
      ("k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiL\u{e9}", "its character 46"),
      ("k2:ERERERERERERERERERERERERERERERERERERERERERER", "32, 48 or 66 bytes"),
      (
        "k2:ERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERE",
        "(46, 67 or 91 characters in all), this one 47"
      ),
      // Scalars that are no private key: zero, and the order of P-256.
      ("k2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "no private key of the curve p256"),
      ("k2:_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE", "no private key of the curve p256"),
      ("kes:v1:ADXVNR1DjaMhKJqQn1b0BLqCEC6wT1vbQlbRVfy7CWbR", "KES key"),
      ("h1:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE", "public half"),
    ])
  func malformed(text: String, message: String) throws {
    let refusal = try #require(throws: Refusal.self) { try APIKey(Secret(text)) }
    #expect(refusal.code == .validation)
    #expect(refusal.message.contains(message))
    // Nothing of the key: no six characters in a row of it.
    let letters = Array(text.dropFirst(3))
    for start in letters.indices.dropLast(5) where !text.hasPrefix("kes") {
      #expect(!refusal.message.contains(String(letters[start..<start + 6])))
    }
  }

  @Test("the largest scalar below the order and a zero seed are keys")
  func edges() throws {
    _ = try APIKey(Secret("k2:_____wAAAAD__________7zm-q2nF56E87nKwvxjJVA"))
    _ = try APIKey(Secret("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
  }

  @Test("neither description, reflection nor dump shows a key")
  func neverShown() throws {
    let text = identityVectors[0].0
    let key = try APIKey(Secret(text))
    var dumped = ""
    dump(key, to: &dumped)
    for shown in ["\(key)", String(describing: key), String(reflecting: key), dumped] {
      #expect(!shown.contains(text.dropFirst(3).prefix(8)))
    }
  }

  @Test(
    "an identity of another length or form is refused",
    arguments: [
      "", "h1:", "h1:rakZkIp7uZSoIo1zXl52o75m3GWBK20EntBW4zd-oQ",
      "h1:XCYpGV3rHlfQH10EQ85UbomqW08Chx5Z0ZBTFKpfGqQs",
      "h2:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE",
      "1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE",
      "h1:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQF",
      "h1:1XtC8x9+VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE",
    ])
  func malformedIdentity(text: String) {
    #expect(Identity(text) == nil)
  }

  @Test("base64 goes there and back for every length", arguments: 0...70)
  func base64(count: Int) throws {
    let bytes = (0..<count).map { UInt8($0 * 37 & 255) }
    let text = Base64URL.encode(bytes)
    #expect(text.utf8.count == (count * 8 + 5) / 6)
    #expect(try Base64URL.decode(text[...].utf8) == bytes)
  }
}
