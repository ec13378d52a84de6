// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
import OpenSSL
import Testing

@Suite struct DigestTests {
  @Test(
    "SHA-256 is that of FIPS 180-4",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
  func sha256(text: String, hex: String) {
    #expect(Digest.sha256(Array(text.utf8)).hex == hex)
    #expect(Digest.sha256Bytes(Array(text.utf8)).count == 32)
    #expect(Digest.sha256(Array(text.utf8)).description == String(hex.prefix(12)))
  }

  @Test("SHA-256 is that of OpenSSL at every length around its blocks, and of what is long")
  func lengths() {
    for count in Array(0...200) + [1 << 20, (1 << 20) + 55] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ count) }
      var stream = DigestStream()
      bytes.withUnsafeBytes { stream.add($0) }
      #expect(stream.digest() == .sha256(bytes), "\(count) bytes")
    }
  }

  @Test("a digest of parts is that of the whole")
  func stream() {
    let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0) }
    for part in [1, 7, 64, 1_000] {
      var stream = DigestStream()
      for start in stride(from: 0, to: bytes.count, by: part) {
        bytes[start..<min(start + part, bytes.count)].withUnsafeBytes { stream.add($0) }
      }
      #expect(stream.digest() == .sha256(bytes))
    }
    #expect(DigestStream().digest() == .sha256([]))
  }

  @Test("no two lists of fields have the same digest because of where one field ends")
  func fields() {
    let lists: [[String]] = [
      [], [""], ["", ""], ["ab"], ["a", "b"], ["b", "a"], ["", "ab"], ["ab", ""],
    ]
    let digests = lists.map { Digest.ofFields($0) }
    #expect(Set(digests).count == lists.count)
    #expect(Digest.ofFields(["a"]) == Digest.sha256([0, 0, 0, 0, 0, 0, 0, 1, 0x61]))
  }

  @Test(
    "only 64 lower-case hexadecimal digits are a digest",
    arguments: [
      (String(repeating: "0", count: 64), true), (String(repeating: "f", count: 64), true),
      (String(repeating: "F", count: 64), false), (String(repeating: "0", count: 63), false),
      (String(repeating: "0", count: 65), false), (String(repeating: "g", count: 64), false),
      (String(repeating: "\u{e9}", count: 32), false), ("", false),
    ])
  func parse(hex: String, isDigest: Bool) {
    #expect((Digest(hex: hex) != nil) == isDigest)
  }
}

@Suite struct PublicKeyTests {
  @Test(
    "what is no private key has no public key",
    arguments: [
      [], [0x30], [0x30, 0x2E, 0x02, 0x01, 0x00], Array(repeating: UInt8(0xFF), count: 48),
    ])
  func notAKey(bytes: [UInt8]) {
    #expect(PublicKey.subjectPublicKeyInfo(ofPrivateKey: bytes) == nil)
  }

  @Test("the public key of RFC 8032's first vector is derived from its seed")
  func ed25519() {
    func bytes(_ hex: String) -> [UInt8] {
      let digits = Array(hex)
      return stride(from: 0, to: digits.count, by: 2).compactMap {
        UInt8(String(digits[$0...$0 + 1]), radix: 16)
      }
    }
    let seed = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    let publicKey = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    let info = PublicKey.subjectPublicKeyInfo(
      ofPrivateKey: bytes("302e020100300506032b657004220420") + seed)
    #expect(info == bytes("302a300506032b6570032100") + publicKey)
  }

  @Test("bytes that are wiped are gone, and an empty array can be wiped")
  func wipe() {
    var bytes: [UInt8] = [1, 2, 3]
    bytes.wipe()
    #expect(bytes.isEmpty)
    bytes.wipe()
    #expect(bytes.isEmpty)
  }
}
