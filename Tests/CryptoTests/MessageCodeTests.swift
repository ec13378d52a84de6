// SPDX-License-Identifier: Apache-2.0
import Crypto
import OpenSSL
import Testing

@Suite struct MessageCodeTests {
  private func hex(_ bytes: [UInt8]) -> String? { Digest(bytes: bytes)?.hex }

  @Test("HMAC-SHA256 gives what RFC 4231 publishes")
  func published() {
    #expect(
      hex(
        MessageCode.hmacSHA256(
          Array("Hi There".utf8), key: [UInt8](repeating: 0x0B, count: 20)))
        == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    #expect(
      hex(
        MessageCode.hmacSHA256(
          Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(
      hex(
        MessageCode.hmacSHA256(
          Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
          key: [UInt8](repeating: 0xAA, count: 131)))
        == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
  }

  @Test("an empty key and an empty message are a key and a message")
  func empty() {
    #expect(
      hex(MessageCode.hmacSHA256([], key: []))
        == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
  }
}
