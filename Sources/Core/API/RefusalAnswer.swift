// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import JSONCoding
package import Model

// A refusal as an answer: a status from 400 on, and `{"kind":"busy","message":"..."}`. What is not even HTTP is refused
// with text.
extension HTTPResponse {
  private struct Body: Codable {
    var kind: RefusalCode
    var message: String
  }

  package static func refusal(_ status: Int, _ refusal: Refusal) -> HTTPResponse {
    .json(status, Body(kind: refusal.code, message: refusal.message))
  }

  package static func refusal(
    _ status: Int, _ code: RefusalCode, _ message: String
  ) -> HTTPResponse {
    refusal(status, Refusal(code, message))
  }

  package func refusal() throws(JSONFailure) -> Refusal {
    let no = try JSON.decode(Body.self, from: body)
    return Refusal(no.kind, no.message)
  }
}
